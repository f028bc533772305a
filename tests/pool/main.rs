//! What a pool answers to one thread. Each file covers one guarantee.

#[path = "../support/amounts.rs"]
mod amounts;
mod bad_input;
mod calls;
mod close;
mod exact_money;
mod forfeited;
mod limits;
mod overflow;
mod receipts;
mod refusals;
mod reservations;
mod reserve_up_to;
mod reset;
mod restore;
mod thresholds;
mod unknown_costs;
