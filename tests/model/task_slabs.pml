// SPDX-License-Identifier: MIT
/* Model for Spin: slabs of tasks' memory are let go of while their blocks come back from other threads, as in
   queue/task_cache.hpp. One thread makes tasks and ends, the next one adopts its cache; two others free the
   tasks. Spin assumes sequential consistency: the order of memory accesses is task_cache_model.cpp's to prove.

   Two slabs of two blocks. No block is given twice, no slab is let go of while a block of it is in use or on
   its way back, and none is lost. */

#define BLOCKS 4
#define NONE 255
#define slab_of(b) ((b) / 2)

byte free[2];       /* blocks of a slab that are free, as bits; the owner's */
bit mine[2];        /* the owner has this slab; else the store has it */
byte current;       /* slab; the owner's */
byte returned = NONE;  /* head of the list of blocks that were handed back */
byte next_of[BLOCKS];
bit in_use[BLOCKS];   /* also: on its way to who frees it */
bit unused;         /* the cache was left */
byte over;          /* threads that have ended */
chan tasks = [2] of { byte };

/* Each block by itself, a bundle of one. */
inline give(b) {
  head = returned;
  do
  :: next_of[b] = head;
     atomic {
       if
#ifndef BROKEN_EXCHANGE
       :: returned == head -> returned = b; break
       :: else -> head = returned
#else
       :: returned = b; break
#endif
       fi
     }
  od
}

inline put(b) {
  assert(mine[slab_of(b)] && !(free[slab_of(b)] & (1 << (b % 2))));
  free[slab_of(b)] = free[slab_of(b)] | (1 << (b % 2));
  if  /* an empty one is let go of, but for the current one */
#ifndef BROKEN_LETS_GO_EARLY
  :: free[slab_of(b)] == 3 && slab_of(b) != current ->
#else
  :: slab_of(b) != current ->
#endif
     assert(!in_use[2 * slab_of(b)] && !in_use[2 * slab_of(b) + 1]);
     mine[slab_of(b)] = 0
  :: else
  fi
}

inline take_in_returned() {
  atomic { b = returned; returned = NONE }
  do
  :: b == NONE -> break
  :: else -> head = next_of[b]; put(b); b = head
  od
}

inline allocate() {
  if
  :: !mine[current] || free[current] == 0 -> take_in_returned()
  :: else
  fi;
  if
  :: mine[current] && free[current] != 0
  :: else ->  /* one with room, or a new one */
     if
     :: mine[1 - current] && free[1 - current] == 0 -> skip
     :: mine[1 - current] && free[1 - current] != 0 -> current = 1 - current
     :: !mine[1 - current] -> current = 1 - current; mine[current] = 1; free[current] = 3
     fi
  fi;
  b = NONE;
  if
  :: free[current] & 1 -> b = 2 * current
  :: !(free[current] & 1) && (free[current] & 2) -> b = 2 * current + 1
  :: free[current] == 0  /* both are full: this model has no more */
  fi;
  if
  :: b != NONE ->
     free[current] = free[current] & ~(1 << (b % 2));
     assert(!in_use[b]);
     in_use[b] = 1
  :: else
  fi
}

/* Two lives of a thread that makes tasks, one after the other: the second adopts what the first left. */
active [2] proctype maker() {
  byte b, head, made;
  if
  :: _pid == 0 -> mine[0] = 1; free[0] = 3
  :: else -> atomic { unused -> unused = 0 }
  fi;
  do
  :: made < 3 ->
     allocate();
     if
     :: b != NONE -> tasks ! b
     :: else
     fi;
     made++
  :: made == 3 -> break
  od;
  if
  :: _pid == 0 -> unused = 1
  :: else -> tasks ! NONE; tasks ! NONE
  fi;
  over++
}

active [2] proctype ender() {
  byte b, head;
  do
  :: tasks ? b;
     if
     :: b == NONE -> break
     :: else ->
        assert(in_use[b]);
        in_use[b] = 0;
        give(b)
     fi
  od;
  over++
}

/* When all have ended. */
active proctype end() {
  byte b, head;
  over == 4;
  take_in_returned();
  assert(mine[0] -> free[0] == 3 : true);
  assert(mine[1] -> free[1] == 3 : true);
  assert(mine[current])
}
