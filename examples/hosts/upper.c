// SPDX-License-Identifier: MIT
//
// A worker in C, which ../native.cpp starts: docs/guide/hosts.md.
#include <muster/worker.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void upper(muster_call* call, void* data) {
  (void)data;
  size_t size;
  const char* text = muster_call_input(call, &size);
  char* result = malloc(size + 1);
  if (result == NULL) {
    muster_call_fail(call, "no_memory", "there is no memory for the result");
    return;
  }
  for (size_t i = 0; i < size; ++i) result[i] = (char)toupper((unsigned char)text[i]);
  muster_call_reply(call, result, size);
  free(result);
}

int main(void) {
  muster_worker* worker = muster_worker_open();
  if (worker == NULL) {
    fprintf(stderr, "%s\n", muster_worker_problem());
    return 1;
  }
  muster_worker_add(worker, "upper", upper, NULL);
  return muster_worker_run(worker);
}
