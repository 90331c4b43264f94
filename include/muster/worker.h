// SPDX-License-Identifier: MIT
//
// For a worker that is written in C, or in whatever can call C: a program of yours that a muster::host_pool
// made from muster::native starts as its worker. It speaks with the pool through shared memory; the calls are
// bytes and so are the answers.
//
//     static void upper(muster_call* call, void* data) { … muster_call_reply(call, bytes, size); }
//
//     int main(void) {
//       muster_worker* worker = muster_worker_open();
//       if (worker == NULL) { fprintf(stderr, "%s\n", muster_worker_problem()); return 1; }
//       muster_worker_add(worker, "upper", upper, NULL);
//       return muster_worker_run(worker);
//     }
//
// Link it with muster: `cc upper.c $(pkg-config --cflags --libs muster)`. The process is the worker: its
// environment, directory, limits and descriptors are those that the pool's options say; what it prints on
// standard error is kept with its death. C11, and C++.
#ifndef MUSTER_WORKER_H
#define MUSTER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// This process as a worker; there is one.
typedef struct muster_worker muster_worker;
/// A call that runs. It is there until its function returns.
typedef struct muster_call muster_call;
/// Answers a call with muster_call_reply or muster_call_fail, once, before it returns. `data` is what was
/// given to muster_worker_add. Where the pool has workers.at_once above 1, several run at the same time, each
/// on a thread of its own; else all run on the thread of muster_worker_run.
typedef void muster_function(muster_call* call, void* data);

// ---- the worker: for the main thread

/// First of all. NULL where this program was not started by a pool, or not by one whose muster fits the one
/// that is linked here; a pool is told why, so then just end.
muster_worker* muster_worker_open(void);
/// Why muster_worker_open gave NULL, as a sentence; else "". Good until it is called again.
const char* muster_worker_problem(void);
/// Has calls of `name` answered by `function`. Before muster_worker_run. Returns 0, or -1 where the name is
/// empty or known already.
int muster_worker_add(muster_worker* worker, const char* name, muster_function* function, void* data);
/// Tells the pool that this program cannot serve, and why; end after it. The start of the worker has failed.
void muster_worker_refuse(muster_worker* worker, const char* why);
/// The worker is ready, and answers calls until it is told to end. Returns the exit status that `main` shall
/// return. Once.
int muster_worker_run(muster_worker* worker);

// ---- a call: for its function, and threads that it waits for, one at a time

/// What the caller has given, `*size` bytes, of no particular alignment. They are read where they lie,
/// without a copy, and may not be written. Not NULL.
const void* muster_call_input(const muster_call* call, size_t* size);
/// By what name it was called.
const char* muster_call_name(const muster_call* call);
/// The result: it is copied. At most 1 GiB. Returns 0; -1 where the call was answered before, or there is no
/// memory.
int muster_call_reply(muster_call* call, const void* bytes, size_t size);
/// The call has failed. The caller gets a muster::worker_error with `code` as its type and `message` as its
/// text, both UTF-8; NULL is "". Returns as muster_call_reply.
int muster_call_fail(muster_call* call, const char* code, const char* message);
/// Nobody waits for it any more: it was cancelled, or is past its time. It is still to be answered, at once;
/// who does not is ended after process_options::grace. Any thread.
bool muster_call_cancelled(const muster_call* call);
/// How far it is, from 0 to 1, and what it does now (at most 192 bytes; NULL is ""). The newest wins. Also a
/// sign of life for health_options::max_silence. Any thread.
void muster_call_progress(muster_call* call, double fraction, const char* text);

/// As muster::log_level.
typedef enum muster_level { MUSTER_DEBUG, MUSTER_INFO, MUSTER_WARNING, MUSTER_ERROR } muster_level;
/// A line for the pool's log, with the task it is about. Never waits. Any thread.
void muster_call_log(muster_call* call, muster_level level, const char* text);
/// The task's number, unique in its pool, and which of its attempts this is: 1 is the first.
uint64_t muster_call_task(const muster_call* call);
int muster_call_attempt(const muster_call* call);

#ifdef __cplusplus
}
#endif

#endif  // MUSTER_WORKER_H
