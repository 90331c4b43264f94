// SPDX-License-Identifier: MIT
/* Model for Spin: workers that are threads fall asleep and are woken, as in parking_model.cpp, but all ways
   it can go, with two submitters and two workers. Spin assumes sequential consistency: the order of memory
   accesses is parking_model.cpp's to prove.

   At most one wake is on its way at a time; who wakes up and finds more than its own wakes the next. Two of
   the tasks wait for each other, so a worker that sleeps too long is an end that is none (a deadlock). */

#define WORKERS 2
#define SUBMITTERS 2
#define TASKS 3
#define SPURIOUS 2

bit locked;
byte lane;                  /* tasks in the lanes, as bits; guarded by the lock */
byte door;                  /* tasks in the door */
bit open;                   /* it has places */
bit sleeping[WORKERS];      /* guarded by the lock */
bit woken[WORKERS];         /* guarded by the lock */
bit notified[WORKERS];      /* the condition variable */
bit waits[WORKERS];
bit on_its_way;             /* guarded by the lock */
byte begun, ended;          /* tasks, as bits */
byte spurious;

#define ALL ((1 << TASKS) - 1)
#define anybody_sleeps (sleeping[0] || sleeping[1])
#define acquire atomic { !locked -> locked = 1 }
#define release_lock locked = 0

/* What has come is in the lanes; nobody may follow while somebody sleeps whom nobody has woken. */
inline bring_in() {
  d_step { lane = lane | door; door = 0; open = !(anybody_sleeps && !on_its_way) }
}

inline wake_one() {
  assert(!on_its_way);
  if
  :: sleeping[0] -> next = 0
  :: sleeping[1] -> next = 1
  fi;
  sleeping[next] = 0;
  woken[next] = 1;
  on_its_way = 1;
  bring_in();
  release_lock;
  if  /* lost where nobody waits yet, which cannot be: he has the lock until he does */
  :: atomic { waits[next] -> notified[next] = 1 }
  :: !waits[next]
  fi
}

active [SUBMITTERS] proctype submitter() {
  byte t = _pid, next;
  do
  :: t >= TASKS -> break
  :: else ->
    if
    :: atomic { open -> door = door | (1 << t) }  /* one compare-exchange */
    :: !open ->
      acquire;
      bring_in();
      lane = lane | (1 << t);
      if
      :: anybody_sleeps && !on_its_way -> wake_one()
      :: else -> release_lock
      fi
    fi;
    t = t + SUBMITTERS
  od
}

active [WORKERS] proctype worker() {
  byte me = _pid - SUBMITTERS, next, t;
  acquire;
  bring_in();
  do
  :: lane != 0 ->
    d_step {
      if
      :: lane & 1 -> t = 0
      :: !(lane & 1) && (lane & 2) -> t = 1
      :: else -> t = 2
      fi;
      lane = lane & ~(1 << t)
    }
    if
#ifndef BROKEN_WAKES_NO_OTHER
    :: lane != 0 && anybody_sleeps && !on_its_way -> wake_one()
    :: else -> release_lock
#else
    :: release_lock
#endif
    fi;
    assert(!(begun & (1 << t)));
    begun = begun | (1 << t);
    if
    :: t < 2 -> (begun & 3) == 3  /* the first two wait for each other */
    :: else
    fi;
    acquire;
    ended = ended | (1 << t);
    if  /* lock_to_take leaves it in the door while there are others */
    :: lane == 0 || !open -> bring_in()
    :: else
    fi
  :: lane == 0 && ended == ALL -> break
  :: lane == 0 && ended != ALL ->
    sleeping[me] = 1;
    bring_in();
    if
#ifndef BROKEN_LOOKS_NOT_AGAIN
    :: lane != 0 -> sleeping[me] = 0; bring_in()
    :: else ->
#else
    :: true ->
#endif
      woken[me] = 0;
      do
      :: woken[me] -> break
      :: !woken[me] ->
        atomic { waits[me] = 1; notified[me] = 0; release_lock }
        if
        :: notified[me]
        :: atomic { spurious < SPURIOUS -> spurious++ }
        fi;
        waits[me] = 0;
        acquire
      od;
      bring_in();
      on_its_way = 0;
      bring_in()
    fi
  od;
  if  /* the last one ends those who sleep */
  :: anybody_sleeps && !on_its_way -> wake_one()
  :: else -> release_lock
  fi
}
