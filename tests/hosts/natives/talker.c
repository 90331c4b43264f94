// SPDX-License-Identifier: MIT
//
// A worker in C, for the tests: well-behaved by default, otherwise as its first argument says.
#define _DEFAULT_SOURCE
#include <muster/worker.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Where the descriptors of a worker are.
enum { control_socket = 3, reply_region = 6 };

static char** arguments;

static void reply_text(muster_call* call, const char* text) { muster_call_reply(call, text, strlen(text)); }

// The input as text; the caller frees it.
static char* input_text(const muster_call* call) {
  size_t size;
  const void* bytes = muster_call_input(call, &size);
  char* text = malloc(size + 1);
  if (text == NULL) abort();
  memcpy(text, bytes, size);
  text[size] = '\0';
  return text;
}

static long input_number(const muster_call* call) {
  char* text = input_text(call);
  const long number = strtol(text, NULL, 10);
  free(text);
  return number;
}

static void touch(const char* path) {
  const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) abort();
  close(file);
}

// ---- functions that behave

static void echo(muster_call* call, void* data) {
  (void)data;
  size_t size;
  const void* bytes = muster_call_input(call, &size);
  muster_call_reply(call, bytes, size);
}

static void give(muster_call* call, void* data) {
  (void)data;
  const size_t size = (size_t)input_number(call);
  char* bytes = malloc(size + 1);
  if (bytes == NULL) abort();
  memset(bytes, 0x5a, size);
  muster_call_reply(call, bytes, size);
  free(bytes);
}

static void pid(muster_call* call, void* data) {
  (void)data;
  char text[32];
  snprintf(text, sizeof text, "%d", (int)getpid());
  reply_text(call, text);
}

static void about(muster_call* call, void* data) {
  char text[200];
  snprintf(text, sizeof text, "%s %llu %d %s", muster_call_name(call),
           (unsigned long long)muster_call_task(call), muster_call_attempt(call), (const char*)data);
  reply_text(call, text);
}

static void argv_text(muster_call* call, void* data) {
  (void)data;
  char text[1000] = "";
  for (char** each = arguments; *each != NULL; ++each) {
    strncat(text, each == arguments ? "" : " ", sizeof text - strlen(text) - 1);
    strncat(text, *each, sizeof text - strlen(text) - 1);
  }
  reply_text(call, text);
}

static void setting(muster_call* call, void* data) {
  (void)data;
  char* name = input_text(call);
  const char* value = getenv(name);
  reply_text(call, value != NULL ? value : "(none)");
  free(name);
}

// What a program that it starts finds open, and in its environment of ours.
static void child(muster_call* call, void* data) {
  (void)data;
  char text[200] = "";
  FILE* output =
      popen("for each in 3 4 5 6 7; do test -e /dev/fd/$each && echo $each; done; env | grep MUSTER_", "r");
  if (output == NULL) abort();
  text[fread(text, 1, sizeof text - 1, output)] = '\0';
  pclose(output);
  reply_text(call, text);
}

static void fail(muster_call* call, void* data) {
  (void)data;
  char* text = input_text(call);
  muster_call_fail(call, "too_dark", text);
  free(text);
}

static void silent(muster_call* call, void* data) {
  (void)call;
  (void)data;
}

// Only the first answer counts, and the others say so.
static void twice(muster_call* call, void* data) {
  (void)data;
  if (muster_call_reply(call, "first", 5) != 0) abort();
  if (muster_call_reply(call, "second", 6) != -1 || muster_call_fail(call, "third", NULL) != -1) abort();
}

static void tell(muster_call* call, void* data) {
  (void)data;
  muster_call_log(call, MUSTER_WARNING, "it is dark");
  muster_call_progress(call, 0.5, "half way");
  printf("printed");
  reply_text(call, "told");
}

// Two paths, a line each: one that it makes when it has begun, one when it was told.
static void until_cancelled(muster_call* call, void* data) {
  (void)data;
  char* paths = input_text(call);
  char* told = strchr(paths, '\n');
  if (told == NULL) abort();
  *told++ = '\0';
  touch(paths);
  while (!muster_call_cancelled(call)) sched_yield();
  touch(told);
  muster_call_fail(call, "cancelled", "as it was told");
  free(paths);
}

// Waits until so many of its calls run.
static void meet(muster_call* call, void* data) {
  static atomic_long here;
  (void)data;
  const long all = input_number(call);
  atomic_fetch_add(&here, 1);
  while (atomic_load(&here) < all) sched_yield();
  echo(call, NULL);
}

// ---- and such that do not

static void leave(muster_call* call, void* data) {
  (void)data;
  fputs("last words\n", stderr);
  exit((int)input_number(call));
}

static void die(muster_call* call, void* data) {
  (void)data;
  raise((int)input_number(call));
}

static void half_a_message(muster_call* call, void* data) {
  (void)call;
  (void)data;
  if (write(control_socket, "abc", 3) != 3) abort();
  exit(0);
}

static void unknown_message(muster_call* call, void* data) {
  (void)data;
  const unsigned char words[16] = {0xff, 0xff, 0xff, 0xff};
  if (write(control_socket, words, sizeof words) != (ssize_t)sizeof words) abort();
  echo(call, NULL);
}

// Over all that it shares with its owner; then it answers.
static void scribble(muster_call* call, void* data) {
  (void)data;
  struct stat about_it;
  if (fstat(reply_region, &about_it) != 0) abort();
  const size_t size = (size_t)about_it.st_size;
  unsigned char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, reply_region, 0);
  if (memory == MAP_FAILED) abort();
  memset(memory, 0xee, size);
  echo(call, NULL);
}

static void hang_up(muster_call* call, void* data) {
  (void)data;
  (void)close(control_socket);
  while (!muster_call_cancelled(call)) sched_yield();
}

static void add_all(muster_worker* worker) {
  static const struct {
    const char* name;
    muster_function* function;
  } all[] = {{"echo", echo},
             {"give", give},
             {"pid", pid},
             {"argv", argv_text},
             {"env", setting},
             {"child", child},
             {"fail", fail},
             {"silent", silent},
             {"twice", twice},
             {"tell", tell},
             {"until cancelled", until_cancelled},
             {"meet", meet},
             {"exit", leave},
             {"die", die},
             {"half a message", half_a_message},
             {"unknown message", unknown_message},
             {"scribble", scribble},
             {"hang up", hang_up}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
    if (muster_worker_add(worker, all[i].name, all[i].function, NULL) != 0) abort();
  static char given[] = "with data";
  if (muster_worker_add(worker, "about", about, given) != 0) abort();
  // What cannot be added is refused and changes nothing.
  if (muster_worker_add(worker, "about", echo, NULL) != -1) abort();
  if (muster_worker_add(worker, "", echo, NULL) != -1 || muster_worker_add(worker, NULL, echo, NULL) != -1)
    abort();
  if (muster_worker_add(worker, "nothing", NULL, NULL) != -1) abort();
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  arguments = argv + 1;
  if (strcmp(how, "leaves at once") == 0) return 7;
  if (strcmp(how, "is of another edition") == 0)
    setenv("MUSTER_WORKER", "9.1.2.3 7.0.0 what follows is unknown", 1);
  muster_worker* worker = muster_worker_open();
  if (worker == NULL) {
    fprintf(stderr, "%s\n", muster_worker_problem());
    return 1;
  }
  if (muster_worker_open() != NULL || *muster_worker_problem() == '\0') abort();
  if (strcmp(how, "leaves when it is open") == 0) return 8;
  if (strcmp(how, "sends half a message") == 0) return write(control_socket, "abc", 3) == 3 ? 0 : 1;
  if (strcmp(how, "refuses") == 0) {
    muster_worker_refuse(worker, "there is no licence on this machine");
    return 1;
  }
  if (strcmp(how, "never runs") == 0)
    for (;;) pause();
  add_all(worker);
  return muster_worker_run(worker);
}
