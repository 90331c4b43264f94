// SPDX-License-Identifier: MIT
#include "worker/last_words.hpp"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/sanitizer.hpp"

namespace muster::worker {
namespace {

using ipc::fatal_signals;
using ipc::last_words;

// Written by prepare_last_words before the handlers are installed, read by them only.
last_words* words = nullptr;
int bell = -1;
pid_t process = 0;
pid_t calling_thread = 0;
int (*thread_in_question)() = nullptr;

// The thread that writes the words; 0: none. A handler that finds another one there leaves them alone.
std::atomic<pid_t> who_writes{0};
static_assert(std::atomic<pid_t>::is_always_lock_free);

// Everything from here to on_question runs in handlers: no lock, no allocation, system calls only.

pid_t own_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

struct registers {
  std::uint64_t program_counter = 0;
  std::uint64_t stack_pointer = 0;
};

#if defined(__x86_64__)
constexpr bool knows_registers = true;
registers registers_of(const ucontext_t& context) {
  return {static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]),
          static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RSP])};
}
// As if the last call had returned.
void step_out(ucontext_t& context) {
  auto& all = context.uc_mcontext.gregs;
  all[REG_RIP] = *reinterpret_cast<const greg_t*>(all[REG_RSP]);
  all[REG_RSP] += 8;
}
#elif defined(__aarch64__)
constexpr bool knows_registers = true;
registers registers_of(const ucontext_t& context) { return {context.uc_mcontext.pc, context.uc_mcontext.sp}; }
void step_out(ucontext_t& context) { context.uc_mcontext.pc = context.uc_mcontext.regs[30]; }
#else
constexpr bool knows_registers = false;
registers registers_of(const ucontext_t&) { return {}; }
void step_out(ucontext_t&) {}
#endif

// The frames of the handler come first; where the signal struck is what we want.
void write_frames(ucontext_t& context, bool called_nowhere) {
  constexpr std::size_t ours = 8;
  void* found[ipc::most_frames + ours];
  // Nothing is known of a place that was called through a bad pointer, so the unwinder, which reads the
  // registers where the kernel has put them, is shown those of the caller.
  const auto before = context.uc_mcontext;
  if (called_nowhere) step_out(context);
  const std::uint64_t at = registers_of(context).program_counter;
  const auto count =
      static_cast<std::size_t>(std::max(0, ::backtrace(found, static_cast<int>(std::size(found)))));
  context.uc_mcontext = before;
  std::size_t first = 0;
  while (first < count && reinterpret_cast<std::uint64_t>(found[first]) != at) ++first;
  if (!knows_registers) first = std::min<std::size_t>(count, 3);       // our own, as good as can be guessed
  std::uint32_t written = knows_registers && !called_nowhere ? 0 : 1;  // the first is there already
  for (; first < count && written < ipc::most_frames; ++first)
    words->frames[written++] = reinterpret_cast<std::uint64_t>(found[first]);
  words->frame_count = std::max(written, std::uint32_t{1});
}

// Of "from-to rwxp offset device inode path": is the x there?
bool tells_of_code(const char* line, std::size_t size) {
  std::size_t at = 0;
  while (at < size && line[at] != ' ') ++at;
  return at + 4 < size && line[at + 3] == 'x';
}

void write_maps() {
  const int file = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  static char part[4096];
  static char line[1024];  // a longer one is left out
  std::size_t length = 0;
  std::uint32_t written = 0;
  for (;;) {
    const ssize_t size = ::read(file, part, sizeof part);
    if (size <= 0) break;
    for (ssize_t i = 0; i < size; ++i) {
      if (length < sizeof line) line[length] = part[i];
      ++length;
      if (part[i] != '\n') continue;
      if (length <= sizeof line && tells_of_code(line, length) && written + length <= ipc::most_map_bytes) {
        std::memcpy(words->maps + written, line, length);
        written += static_cast<std::uint32_t>(length);
        words->map_bytes = written;
      }
      length = 0;
    }
  }
  ::close(file);
}

bool sent_by_a_process(const siginfo_t& info) { return info.si_code <= 0; }

// What is surest comes first: should unwinding itself fault, the kernel ends us with what stands there.
void write_words(ipc::words_kind kind, int signal, const siginfo_t& info, ucontext_t& context) {
  const registers at = registers_of(context);
  words->stage.store(static_cast<std::uint32_t>(ipc::words_stage::none), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  words->kind = static_cast<std::uint32_t>(kind);
  words->signal = signal;
  words->code = info.si_code;
  words->sender = sent_by_a_process(info) ? info.si_pid : 0;
  words->fault_address = sent_by_a_process(info) ? 0 : reinterpret_cast<std::uint64_t>(info.si_addr);
  words->thread = static_cast<std::uint32_t>(own_thread());
  words->stack_pointer = at.stack_pointer;
  words->frames[0] = at.program_counter;
  words->frame_count = 1;
  words->map_bytes = 0;
  words->stage.store(static_cast<std::uint32_t>(ipc::words_stage::begun), std::memory_order_release);
  write_maps();
  write_frames(context, kind == ipc::words_kind::crash && signal == SIGSEGV && !sent_by_a_process(info) &&
                            words->fault_address == at.program_counter);
  words->stage.store(static_cast<std::uint32_t>(ipc::words_stage::whole), std::memory_order_release);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  // A child that a task has forked does not have the words' memory, and is nobody's worker.
  if (::getpid() == process) {
    const pid_t self = own_thread();
    pid_t nobody = 0;
    if (who_writes.compare_exchange_strong(nobody, self)) {
      write_words(ipc::words_kind::crash, signal, *info, *static_cast<ucontext_t*>(context));
    } else if (nobody != self) {
      const timespec longest = {.tv_sec = 1, .tv_nsec = 0};  // the other thread ends the process
      ::nanosleep(&longest, nullptr);
    }
  }
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
  // A fault strikes again when we return, exactly as it did. What was sent must be sent again; it waits until
  // then.
  if (sent_by_a_process(*info) || signal == SIGABRT) ::syscall(SYS_tgkill, ::getpid(), own_thread(), signal);
}

// The owner asks the process; the answer is about a thread that runs calls, which is sent the question on.
// Who is sent it by this process answers, though it may no longer be the one in question.
void on_question(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (::getpid() == process) {
    const pid_t self = own_thread();
    const bool is_sent_on = info->si_code == SI_TKILL && info->si_pid == process;
    const pid_t about = is_sent_on                      ? self
                        : thread_in_question != nullptr ? thread_in_question()
                                                        : calling_thread;
    if (self != about) {
      ::syscall(SYS_tgkill, process, about, signal);
    } else if (pid_t nobody = 0; who_writes.compare_exchange_strong(nobody, self)) {
      write_words(ipc::words_kind::hang, signal, *info, *static_cast<ucontext_t*>(context));
      who_writes.store(0);
      const std::uint64_t one = 1;
      static_cast<void>(!::write(bell, &one, sizeof one));
    }
  }
  errno = error;
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction before = {};
  if (::sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
  ::sigemptyset(&action.sa_mask);
  for (const int each : fatal_signals) ::sigaddset(&action.sa_mask, each);
  ::sigaddset(&action.sa_mask, ipc::trace_signal());
  ::sigaction(signal, &action, nullptr);
}

// A stack for handlers, with a page below it that nobody may touch: where the thread's own stack is used up
// there is no room for a handler. Never freed: it serves until the end.
void make_signal_stack() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t least = static_cast<std::size_t>(std::max(0L, ::sysconf(_SC_SIGSTKSZ)));
  const std::size_t size = (std::max<std::size_t>(least, 64 * 1024) + page - 1) / page * page;
  void* const memory =
      ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  ::mprotect(memory, page, PROT_NONE);
  stack_t stack = {};
  stack.ss_sp = static_cast<char*>(memory) + page;
  stack.ss_size = size;
  ::sigaltstack(&stack, nullptr);
}

}  // namespace

void prepare_last_words(ipc::last_words& to, int bell_descriptor, int (*in_question)()) {
  if constexpr (base::is_sanitized) return;
  words = &to;
  bell = bell_descriptor;
  process = ::getpid();
  calling_thread = own_thread();
  thread_in_question = in_question;
  void* once[2];
  ::backtrace(once, 2);  // the first call loads the unwinder, which no handler may do
  make_signal_stack();
  for (const int signal : fatal_signals) install(signal, on_fault, 0);
  install(ipc::trace_signal(), on_question, SA_RESTART);
}

void prepare_last_words_of_this_thread() {
  if constexpr (base::is_sanitized) return;
  make_signal_stack();
}

}  // namespace muster::worker
