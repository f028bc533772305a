//! The books: what the tasks did, and what must have become of their calls by the contract. They
//! are kept by the tasks, and never ask the pool.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use token_budget_pool::{Receipt, Spent, Usage};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) nanos: u64,
    pub(crate) calls: u64,
    pub(crate) forfeited_calls: u64,
    pub(crate) forfeited_nanos: u64,
}

impl Sum {
    fn of(usage: Usage, calls: u64) -> Sum {
        Sum {
            input: usage.input_tokens,
            output: usage.output_tokens,
            nanos: nanos(usage),
            calls,
            ..Sum::default()
        }
    }

    /// A forfeited call that counts for `total`, of which only `known` is known to be used.
    fn forfeited(total: Usage, known: Usage) -> Sum {
        Sum {
            forfeited_calls: 1,
            forfeited_nanos: nanos(total) - nanos(known),
            ..Sum::of(total, 1)
        }
    }

    fn add(&mut self, other: Sum) {
        self.input += other.input;
        self.output += other.output;
        self.nanos += other.nanos;
        self.calls += other.calls;
        self.forfeited_calls += other.forfeited_calls;
        self.forfeited_nanos += other.forfeited_nanos;
    }
}

impl From<Spent> for Sum {
    fn from(spent: Spent) -> Sum {
        assert_eq!(spent.unpriced_calls, 0, "every cost was known");
        Sum {
            input: spent.input_tokens,
            output: spent.output_tokens,
            nanos: spent.cost.as_nanos(),
            calls: spent.calls,
            forfeited_calls: spent.forfeited_calls,
            forfeited_nanos: spent.forfeited_cost.as_nanos(),
        }
    }
}

fn nanos(usage: Usage) -> u64 {
    usage.cost.expect("priced").as_nanos()
}

/// Of each dimension.
fn larger(one: Usage, other: Usage) -> Usage {
    Usage::tokens(
        one.input_tokens.max(other.input_tokens),
        one.output_tokens.max(other.output_tokens),
    )
    .cost(one.cost.max(other.cost).expect("priced"))
}

/// How a reservation or a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    DroppedBeforeStart,
    DroppedInFlight,
    TimedOut,
    Settled,
    BrokeOff,
    Forfeited,
    Released,
}

#[derive(Default)]
pub(crate) struct Books {
    /// What the pool must have counted.
    pub(crate) spent: Mutex<Sum>,
    pub(crate) ends: Mutex<HashMap<End, u64>>,
    /// What the receipts of a call said, and what they must have said, where the two differ.
    pub(crate) wrong_receipts: Mutex<Vec<(Sum, Sum)>>,
    /// Tokens beyond the reservations, entered before they are reported to the pool.
    pub(crate) overruns: AtomicU64,
    /// Reservations made, calls started, and calls ended otherwise than by a drop.
    pub(crate) reserved: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) ended: AtomicU64,
}

impl Books {
    pub(crate) fn dropped_before_start(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed) - self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn dropped_in_flight(&self) -> u64 {
        self.started.load(Ordering::Relaxed) - self.ended.load(Ordering::Relaxed)
    }
}

/// One call, as its task sees it. Whatever ends the task drops this, which then enters into the
/// books what must have become of the call.
pub(crate) struct Entry {
    books: Arc<Books>,
    estimate: Usage,
    reported: Usage,
    started: bool,
    /// What the receipts said was counted.
    receipts: Sum,
    /// What must have been counted in all, once the call has ended otherwise than by a drop.
    counted: Option<Sum>,
    end: End,
}

impl Entry {
    pub(crate) fn reserved(books: Arc<Books>, estimate: Usage) -> Entry {
        books.reserved.fetch_add(1, Ordering::Relaxed);
        Entry {
            books,
            estimate,
            reported: Usage::ZERO,
            started: false,
            receipts: Sum::default(),
            counted: None,
            end: End::DroppedBeforeStart,
        }
    }

    pub(crate) fn started(&mut self) {
        self.books.started.fetch_add(1, Ordering::Relaxed);
        self.started = true;
        self.end = End::DroppedInFlight;
    }

    /// Enters by how many tokens a call whose total is this goes beyond what is reserved for it.
    pub(crate) fn overrun(&self, total: Usage) -> u64 {
        let covered = larger(self.estimate, self.reported);
        let tokens = total.input_tokens.saturating_sub(covered.input_tokens)
            + total.output_tokens.saturating_sub(covered.output_tokens);
        self.books.overruns.fetch_add(tokens, Ordering::Relaxed);
        tokens
    }

    pub(crate) fn reported(&mut self, receipt: &Receipt, so_far: Usage) {
        self.receipts.add(receipt.counted.into());
        self.reported = larger(self.reported, so_far);
    }

    pub(crate) fn timed_out(&mut self) {
        self.end = End::TimedOut;
    }

    pub(crate) fn settled(&mut self, receipt: &Receipt, actual: Usage) {
        let counted = Sum::of(larger(actual, self.reported), 1);
        self.ended(End::Settled, receipt, counted);
    }

    pub(crate) fn broke_off(&mut self, receipt: &Receipt, so_far: Usage) {
        let known = larger(so_far, self.reported);
        let total = larger(known, self.estimate);
        let counted = if total == known {
            Sum::of(known, 1)
        } else {
            Sum::forfeited(total, known)
        };
        self.ended(End::BrokeOff, receipt, counted);
    }

    pub(crate) fn forfeited(&mut self, receipt: &Receipt) {
        self.ended(End::Forfeited, receipt, self.if_dropped());
    }

    pub(crate) fn released(&mut self, receipt: &Receipt) {
        self.ended(End::Released, receipt, Sum::default());
    }

    fn ended(&mut self, end: End, receipt: &Receipt, counted: Sum) {
        self.books.ended.fetch_add(1, Ordering::Relaxed);
        self.receipts.add(receipt.counted.into());
        self.counted = Some(counted);
        self.end = end;
    }

    /// What a drop counts, as it stands.
    fn if_dropped(&self) -> Sum {
        if self.started {
            Sum::forfeited(larger(self.estimate, self.reported), self.reported)
        } else {
            Sum::default()
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let counted = self.counted.unwrap_or(self.if_dropped());
        self.books.spent.lock().unwrap().add(counted);
        *self.books.ends.lock().unwrap().entry(self.end).or_insert(0) += 1;
        // A drop has no receipt.
        let expected = self.counted.unwrap_or(Sum::of(self.reported, 0));
        if self.receipts != expected {
            let mut wrong = self.books.wrong_receipts.lock().unwrap();
            wrong.push((self.receipts, expected));
        }
    }
}
