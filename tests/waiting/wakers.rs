//! Wakers are foreign code: they may use the pool, drop what waits, and panic.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

use token_budget_pool::{BudgetPool, Limits, OwnedReservation, Rejected, Threshold};

use crate::by_hand::{output, waits_for};

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedReservation, Rejected>> + Send>>;

fn pool() -> Arc<BudgetPool> {
    Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(100)))
}

/// Does this when it is woken, once.
pub(crate) struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Does {
    pub(crate) fn waker(what: impl FnOnce() + Send + 'static) -> Waker {
        Waker::from(Arc::new(Self(Mutex::new(Some(Box::new(what))))))
    }
}

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().unwrap().take();
        if let Some(what) = what {
            what();
        }
    }
}

thread_local! {
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A waker that does this when it is cloned on this thread the next time, and nothing else.
pub(crate) fn on_clone(what: impl FnOnce() + 'static) -> Waker {
    const NOTHING: RawWaker = RawWaker::new(std::ptr::null(), &VTABLE);
    const VTABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), |_| ());
    fn clone(_: *const ()) -> RawWaker {
        if let Some(what) = ON_CLONE.take() {
            what();
        }
        NOTHING
    }
    ON_CLONE.set(Some(Box::new(what)));
    // SAFETY: it has no data, and its functions are thread-safe.
    unsafe { Waker::from_raw(NOTHING) }
}

fn waits_with(pool: &Arc<BudgetPool>, tokens: u64, waker: &Waker) -> Waiting {
    let mut waiting: Waiting = Box::pin(pool.reserve_owned(output(tokens)));
    let polled = waiting.as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
    waiting
}

#[test]
fn one_that_panics_keeps_nobody_from_being_woken() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let _first = waits_with(&pool, 10, &Does::waker(|| panic!("on purpose")));
    let second = waits_for(&pool, 10);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(reservation)));
    assert!(dropped.is_err());
    let second = second.ended().unwrap();
    // And all goes on.
    let third = waits_for(&pool, 85);
    drop(second);
    assert!(third.ended().is_ok());
}

#[test]
fn one_that_panics_while_a_panic_makes_room_does_not_abort() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let _first = waits_with(&pool, 10, &Does::waker(|| panic!("of the waker")));
    let second = waits_for(&pool, 10);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _reservation = reservation;
        panic!("of the task");
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"of the task"));
    assert!(second.ended().is_ok());
}

#[test]
fn one_that_panics_leaves_a_call_that_shrinks_what_it_is() {
    let pool = pool();
    let _other = pool.try_reserve(output(50)).unwrap();
    let mut call = pool.try_reserve(output(50)).unwrap().start();
    let first = waits_with(&pool, 10, &Does::waker(|| panic!("on purpose")));
    let shrunk = catch_unwind(AssertUnwindSafe(|| call.shrink_to(output(40))));
    assert!(shrunk.is_err());
    drop(first);
    assert_eq!(call.reserved().output_tokens, 40);
    let _ = call.release();
    assert_eq!(pool.snapshot().reserved.output_tokens, 50);
}

#[test]
fn one_may_use_the_pool() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let used = Arc::clone(&pool);
    let inner: Arc<Mutex<Vec<Waiting>>> = Arc::default();
    let kept = Arc::clone(&inner);
    let _first = waits_with(
        &pool,
        10,
        &Does::waker(move || {
            let reservation = used.try_reserve(output(80)).unwrap();
            // Seen to once this has returned: the thread is giving turns already.
            let inner = waits_with(&used, 20, &Does::waker(|| ()));
            drop(reservation);
            kept.lock().unwrap().push(inner);
        }),
    );
    drop(reservation);
    assert_eq!(pool.snapshot().reserved.output_tokens, 10 + 20);
}

#[test]
fn one_may_drop_what_waits() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let kept: Arc<Mutex<Vec<Waiting>>> = Arc::default();
    let drops = Arc::clone(&kept);
    let waker = Does::waker(move || drops.lock().unwrap().clear());
    let waiting = [waits_with(&pool, 10, &waker), waits_with(&pool, 95, &waker)];
    kept.lock().unwrap().extend(waiting);
    let last = waits_for(&pool, 50);
    drop(reservation);
    assert!(kept.lock().unwrap().is_empty());
    assert!(last.ended().is_ok());
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn one_that_goes_with_its_last_waker_may_drop_what_waits() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    // Dropped with the waker, which the queue has alone.
    struct Owner(#[allow(dead_code)] Mutex<Option<Waiting>>);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    let inner = waits_with(&pool, 20, &Waker::from(Arc::new(Owner(Mutex::default()))));
    let waker = Waker::from(Arc::new(Owner(Mutex::new(Some(inner)))));
    let mut outer = waits_with(&pool, 30, &waker);
    drop(waker);
    // Another waker takes its place, and it goes.
    let other = Waker::from(Arc::new(Owner(Mutex::default())));
    assert!(outer
        .as_mut()
        .poll(&mut Context::from_waker(&other))
        .is_pending());
    let last = waits_for(&pool, 50);
    drop(reservation);
    assert!(last.ended().is_ok());
    drop(outer);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn the_latest_waker_is_woken() {
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let woken = Arc::new(Mutex::new(vec![]));
    let note = |number| {
        let woken = Arc::clone(&woken);
        Does::waker(move || woken.lock().unwrap().push(number))
    };
    let mut waiting = waits_with(&pool, 10, &note(1));
    for number in 2..=3 {
        let waker = note(number);
        assert!(waiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending());
    }
    drop(reservation);
    assert_eq!(*woken.lock().unwrap(), [3]);
}

#[test]
fn a_hook_that_panics_keeps_nobody_waiting() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().output_tokens(100))
        .warn_at(Threshold::percent(50).unwrap())
        .on_crossed(|_| panic!("on purpose"))
        .build();
    let call = pool.try_reserve(output(100)).unwrap().start();
    let waiting = waits_for(&pool, 40);
    let settled = catch_unwind(AssertUnwindSafe(|| call.settle(output(60))));
    assert!(settled.is_err());
    assert!(waiting.ended().is_ok());
}

#[test]
fn one_that_panics_while_a_reservation_shrinks_does_not_make_it_release_twice() {
    let pool = pool();
    let mut reservation = pool.try_reserve(output(80)).unwrap();
    let _other = pool.try_reserve(output(10)).unwrap();
    let _waiting = waits_with(&pool, 30, &Does::waker(|| panic!("on purpose")));
    let shrunk = catch_unwind(AssertUnwindSafe(|| reservation.shrink_to(output(50))));
    assert!(shrunk.is_err());
    assert_eq!(pool.snapshot().reserved.output_tokens, 50 + 10 + 30);
    assert_eq!(reservation.reserved().output_tokens, 50);
    drop(reservation);
    assert_eq!(pool.snapshot().reserved.output_tokens, 10 + 30);
}

#[test]
fn a_hook_that_panics_while_a_call_reports_does_not_make_it_count_twice() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().output_tokens(100))
        .warn_at(Threshold::percent(50).unwrap())
        .on_crossed(|_| panic!("on purpose"))
        .build();
    let other = pool.try_reserve(output(10)).unwrap();
    let mut call = pool.try_reserve(output(80)).unwrap().start();
    assert!(catch_unwind(AssertUnwindSafe(|| call.report(output(60)))).is_err());
    assert_eq!(pool.snapshot().reserved.output_tokens, 10 + 20);
    let _ = call.settle(output(65));
    assert_eq!(pool.spent().output_tokens, 65);
    assert_eq!(pool.snapshot().reserved.output_tokens, 10);
    drop(other);
}

#[test]
fn ones_own_that_panics_leaves_nothing_behind() {
    let pool = pool();
    let call = pool.try_reserve(output(10)).unwrap();
    let idle = crate::by_hand::ByHand::new(pool.idle()).waits();
    // Somebody waits, so it joins, and has its turn at once.
    let mut waiting = Box::pin(pool.reserve(output(90)));
    let waker = Does::waker(|| panic!("on purpose"));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let _ = waiting.as_mut().poll(&mut Context::from_waker(&waker));
    }));
    drop(waiting);
    // Whether it has told of the panic or not.
    drop(polled);
    assert_eq!(pool.snapshot().reserved.output_tokens, 10);
    drop(call);
    idle.ended();
}

#[test]
fn one_may_panic_with_what_panics_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("again");
            }
        }
    }
    let pool = pool();
    let reservation = pool.try_reserve(output(100)).unwrap();
    let _all = [1, 2, 3].map(|tokens| waits_with(&pool, tokens, &Does::waker(|| panic_any(Bomb))));
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(reservation)));
    std::mem::forget(dropped);
    // All goes on.
    let reservation = pool.try_reserve(output(90)).unwrap();
    let waiting = waits_for(&pool, 50);
    drop(reservation);
    assert!(waiting.ended().is_ok());
}

#[test]
fn one_may_panic_while_a_panic_drops_a_reservation() {
    let pool = pool();
    let first = pool.try_reserve(output(100)).unwrap();
    let _waiting = waits_with(&pool, 10, &Does::waker(|| panic!("on purpose")));
    let second = waits_for(&pool, 10);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _reservation = first;
        panic!("another");
    }));
    assert_eq!(
        panicked.unwrap_err().downcast_ref::<&str>(),
        Some(&"another")
    );
    assert!(second.ended().is_ok());
}

#[test]
fn one_that_panics_is_no_business_of_a_future_that_gives_up() {
    let pool = pool();
    let _reservation = pool.try_reserve(output(50)).unwrap();
    let first = waits_for(&pool, 60);
    let second = waits_with(&pool, 10, &Does::waker(|| panic!("on purpose")));
    let third = waits_for(&pool, 10);
    drop(first);
    assert!(third.ended().is_ok());
    assert_eq!(pool.snapshot().reserved.output_tokens, 60);
    drop(second);
}

#[test]
fn one_that_panics_is_no_business_of_a_future_that_gives_up_what_was_reserved_for_it() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let first = waits_for(&pool, 60);
    let second = waits_with(&pool, 50, &Does::waker(|| panic!("on purpose")));
    drop(reservation);
    assert!(first.is_woken());
    drop(first);
    assert_eq!(pool.snapshot().reserved.output_tokens, 50);
    drop(second);
}
