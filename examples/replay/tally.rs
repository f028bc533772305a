//! What the workers count on their own, and the check of the pool against it.

use token_budget_pool::{Cap, Limits, Rejected, Snapshot, Usage};

use crate::budget::{self, Amounts, CAPS};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    /// The sum of what was accepted.
    pub(crate) amounts: Amounts,
    /// How many calls each of the caps rejected.
    pub(crate) rejected: [u64; 4],
    /// Rejected for another reason, of which a replay's pool has none.
    pub(crate) rejected_otherwise: u64,
    /// Rejected at their worst case when their actual usage would have fitted.
    pub(crate) turned_away: u64,
    /// Rejected only because of what other calls held.
    pub(crate) busy: u64,
    /// What was reserved, looked at now and then.
    pub(crate) reserved: Vec<Amounts>,
    /// What was wrong when it was looked at.
    pub(crate) past_cap: Vec<String>,
}

impl Tally {
    pub(crate) fn accept(&mut self, usage: Usage) {
        self.accepted += 1;
        add(&mut self.amounts, budget::of_usage(usage));
    }

    pub(crate) fn reject(&mut self, rejected: &Rejected) {
        match CAPS.iter().position(|&cap| rejected.cap() == Some(cap)) {
            Some(cap) => self.rejected[cap] += 1,
            None => self.rejected_otherwise += 1,
        }
        self.busy += u64::from(rejected.is_busy());
    }

    /// Takes down what is reserved at this moment, and whether all is within the caps.
    pub(crate) fn look_at(&mut self, pool: &Snapshot, limits: Limits) {
        self.reserved.push(budget::of_usage(pool.reserved));
        // The first is enough to know.
        if self.past_cap.is_empty() {
            self.past_cap = past_cap(pool, limits);
        }
    }

    pub(crate) fn rejections(&self) -> u64 {
        self.rejected.iter().sum::<u64>() + self.rejected_otherwise
    }

    /// The middle and the largest of the reserved amounts that were seen.
    pub(crate) fn median_and_most_reserved(&self) -> (Amounts, Amounts) {
        let (mut median, mut most) = (Amounts::default(), Amounts::default());
        for cap in 0..CAPS.len() {
            let mut seen: Vec<u128> = self.reserved.iter().map(|amounts| amounts[cap]).collect();
            seen.sort_unstable();
            median[cap] = seen.get(seen.len() / 2).copied().unwrap_or(0);
            most[cap] = seen.last().copied().unwrap_or(0);
        }
        (median, most)
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.accepted += other.accepted;
        add(&mut self.amounts, other.amounts);
        for (sum, count) in self.rejected.iter_mut().zip(other.rejected) {
            *sum += count;
        }
        self.rejected_otherwise += other.rejected_otherwise;
        self.turned_away += other.turned_away;
        self.busy += other.busy;
        self.reserved.extend(other.reserved);
        self.past_cap.extend(other.past_cap);
    }

    /// All in which a pool that is at rest after `calls` calls disagrees with what was counted here.
    pub(crate) fn disagreements(&self, calls: u64, limits: Limits, pool: &Snapshot) -> Vec<String> {
        let mut found = self.past_cap.clone();
        found.extend(past_cap(pool, limits));
        let mut equal = |what: &str, cap, pool, counted| {
            if pool != counted {
                let (pool, counted) = (budget::plain(cap, pool), budget::plain(cap, counted));
                found.push(format!("{what}: {pool} in the pool, {counted} counted"));
            }
        };
        let spent = budget::of_spent(pool.spent);
        let reserved = budget::of_usage(pool.reserved);
        for (index, cap) in CAPS.into_iter().enumerate() {
            equal(cap.as_str(), cap, spent[index], self.amounts[index]);
            equal(&format!("reserved {cap}"), cap, reserved[index], 0);
        }
        let calls_spent = pool.spent.calls.into();
        equal("calls", Cap::Calls, calls_spent, self.accepted.into());
        let unpriced = pool.spent.unpriced_calls.into();
        equal("unpriced calls", Cap::Calls, unpriced, 0);
        let in_flight = pool.calls_in_flight.into();
        equal("calls in flight", Cap::Calls, in_flight, 0);

        let (accepted, rejected) = (self.accepted, self.rejections());
        if accepted + rejected != calls {
            found.push(format!(
                "{accepted} accepted and {rejected} rejected of {calls} calls"
            ));
        }
        if self.rejected_otherwise != 0 {
            found.push(format!(
                "{} calls rejected by no cap",
                self.rejected_otherwise
            ));
        }
        found
    }
}

fn add(sum: &mut Amounts, amounts: Amounts) {
    for (sum, amount) in sum.iter_mut().zip(amounts) {
        *sum += amount;
    }
}

/// The caps that what is spent and reserved is past. None is: no call uses more than was reserved for it.
fn past_cap(pool: &Snapshot, limits: Limits) -> Vec<String> {
    let mut used = budget::of_spent(pool.spent);
    add(&mut used, budget::of_usage(pool.reserved));
    let caps = budget::of_limits(limits);
    let past = |index: usize| {
        let name = CAPS[index];
        let cap = caps[index].filter(|&cap| used[index] > cap)?;
        let (used, cap) = (budget::plain(name, used[index]), budget::plain(name, cap));
        Some(format!(
            "{name}: {used} spent and reserved, past the cap of {cap}"
        ))
    };
    (0..CAPS.len()).filter_map(past).collect()
}
