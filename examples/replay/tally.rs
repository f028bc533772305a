//! What the workers count on their own, and the check of the pool against it.

use token_budget_pool::{Dimension, Limits, Rejected, Snapshot, Usage};

use crate::budget::{self, Amounts, DIMENSIONS};
use crate::tree;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    /// The sum of what was accepted.
    pub(crate) amounts: Amounts,
    /// How many calls the limit of each dimension rejected.
    pub(crate) rejected: [u64; 4],
    /// How many calls each level of a tree rejected: the pool, the runs, the agents.
    pub(crate) rejected_at: [u64; 3],
    /// Rejected for another reason. A replay's pool has none.
    pub(crate) rejected_otherwise: u64,
    /// Rejected at their worst case when their actual usage would have fitted.
    pub(crate) turned_away: u64,
    /// Rejected only because of what was reserved for other calls.
    pub(crate) busy: u64,
    /// What was reserved, looked at now and then.
    pub(crate) reserved: Vec<Amounts>,
    /// What was wrong when it was looked at.
    pub(crate) past_limit: Vec<String>,
}

impl Tally {
    pub(crate) fn accept(&mut self, usage: Usage) {
        self.accepted += 1;
        add(&mut self.amounts, budget::of_usage(usage));
    }

    pub(crate) fn reject(&mut self, rejected: &Rejected) {
        let dimensions = DIMENSIONS.map(Some);
        let by = rejected.dimension();
        match dimensions.iter().position(|&dimension| dimension == by) {
            Some(index) => self.rejected[index] += 1,
            None => self.rejected_otherwise += 1,
        }
        self.rejected_at[tree::level_index(rejected.level().depth())] += 1;
        self.busy += u64::from(rejected.is_busy());
    }

    /// Notes what is reserved at this moment, and whether all is within the limits.
    pub(crate) fn look_at(&mut self, pool: &Snapshot, limits: Limits) {
        self.reserved.push(budget::of_reserved(pool.reserved));
        // The first is enough to know.
        if self.past_limit.is_empty() {
            self.past_limit = past_limit(pool, limits);
        }
    }

    pub(crate) fn rejections(&self) -> u64 {
        self.rejected.iter().sum::<u64>() + self.rejected_otherwise
    }

    /// The middle and the largest of the reserved amounts that were seen.
    pub(crate) fn median_and_most_reserved(&self) -> (Amounts, Amounts) {
        let (mut median, mut most) = (Amounts::default(), Amounts::default());
        for index in 0..DIMENSIONS.len() {
            let mut seen: Vec<u128> = self.reserved.iter().map(|amounts| amounts[index]).collect();
            seen.sort_unstable();
            median[index] = seen.get(seen.len() / 2).copied().unwrap_or(0);
            most[index] = seen.last().copied().unwrap_or(0);
        }
        (median, most)
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        self.accepted += other.accepted;
        add(&mut self.amounts, other.amounts);
        for (sum, count) in self.rejected.iter_mut().zip(other.rejected) {
            *sum += count;
        }
        for (sum, count) in self.rejected_at.iter_mut().zip(other.rejected_at) {
            *sum += count;
        }
        self.rejected_otherwise += other.rejected_otherwise;
        self.turned_away += other.turned_away;
        self.busy += other.busy;
        self.reserved.extend(other.reserved);
        self.past_limit.extend(other.past_limit);
    }

    /// All in which a pool that is at rest after `calls` calls disagrees with what was counted here.
    pub(crate) fn disagreements(&self, calls: u64, limits: Limits, pool: &Snapshot) -> Vec<String> {
        let mut found = self.past_limit.clone();
        found.extend(past_limit(pool, limits));
        found.extend(unequal(pool, self.amounts, self.accepted));
        let (accepted, rejected) = (self.accepted, self.rejections());
        if accepted + rejected != calls {
            found.push(format!(
                "{accepted} accepted and {rejected} rejected of {calls} calls"
            ));
        }
        if self.rejected_otherwise != 0 {
            found.push(format!(
                "{} calls rejected by no limit",
                self.rejected_otherwise
            ));
        }
        found
    }
}

pub(crate) fn add(sum: &mut Amounts, amounts: Amounts) {
    for (sum, amount) in sum.iter_mut().zip(amounts) {
        *sum += amount;
    }
}

/// All in which a pool at rest differs from these sums.
pub(crate) fn unequal(pool: &Snapshot, amounts: Amounts, accepted: u64) -> Vec<String> {
    let mut found = Vec::new();
    let mut equal = |what: &str, dimension, pool, counted| {
        if pool != counted {
            let [pool, counted] = [pool, counted].map(|amount| budget::plain(dimension, amount));
            found.push(format!("{what}: {pool} in the pool, {counted} counted"));
        }
    };
    let spent = budget::of_spent(pool.spent);
    let reserved = budget::of_reserved(pool.reserved);
    for (index, dimension) in DIMENSIONS.into_iter().enumerate() {
        let name = dimension.as_str();
        equal(name, dimension, spent[index], amounts[index]);
        equal(&format!("reserved {name}"), dimension, reserved[index], 0);
    }
    let calls_spent = pool.spent.calls.into();
    equal("calls", Dimension::Calls, calls_spent, accepted.into());
    let unpriced = pool.spent.unpriced_calls.into();
    equal("unpriced calls", Dimension::Calls, unpriced, 0);
    let forfeited = pool.spent.forfeited_calls.into();
    equal("forfeited calls", Dimension::Calls, forfeited, 0);
    let in_flight = pool.calls_in_flight.into();
    equal("calls in flight", Dimension::Calls, in_flight, 0);
    found
}

/// The limits that what is spent and reserved is past: there must be none, since no call uses more than was
/// reserved for it.
pub(crate) fn past_limit(pool: &Snapshot, limits: Limits) -> Vec<String> {
    let mut used = budget::of_spent(pool.spent);
    add(&mut used, budget::of_reserved(pool.reserved));
    let limits = budget::of_limits(limits);
    let past = |index: usize| {
        let dimension = DIMENSIONS[index];
        let limit = limits[index].filter(|&limit| used[index] > limit)?;
        let [used, limit] = [used[index], limit].map(|amount| budget::plain(dimension, amount));
        Some(format!(
            "{dimension}: {used} spent and reserved, past the limit of {limit}"
        ))
    };
    (0..DIMENSIONS.len()).filter_map(past).collect()
}
