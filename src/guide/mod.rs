//! The guide: how to put a pool between a program and its LLM provider.
//!
//! The code below is the code of the repository's example `recipes`, which runs it against a provider that
//! answers late, turns calls away, breaks connections and ends streams early. A test checks that what the
//! pool counts is what that provider bills, to the nano-dollar. `Client`, `Request` and `client::Error` stand
//! for those of your client library.
//!
//! 1. [One call, and which errors are billed](#one-call-and-which-errors-are-billed)
//! 2. [Retries](#retries)
//! 3. [Waiting for room](#waiting-for-room)
//! 4. [Time limits, aborted tasks, and calls whose end nobody saw](#time-limits-aborted-tasks-and-calls-whose-end-nobody-saw)
//! 5. [Streams](#streams)
//! 6. [Real clients](#real-clients)
//! 7. [Budgets within budgets](#budgets-within-budgets)
//! 8. [A budget for each minute](#a-budget-for-each-minute)
//! 9. [A guaranteed share](#a-guaranteed-share)
//! 10. [Shutdown and restart](#shutdown-and-restart)
//! 11. [Warnings before the limit](#warnings-before-the-limit)
//! 12. [What to watch](#what-to-watch)
//! 13. [What providers report](#what-providers-report)
//! 14. [In a tower stack](#in-a-tower-stack)
//!
//! # One call, and which errors are billed
//!
//! Reserve the worst case, start the call when the request goes out, and settle it with the usage in the
//! answer. `max_tokens` bounds the output, so it belongs in every request.
//!
//! A call that ends without an answer is the part that is easy to get wrong. An outage can spend a whole
//! budget on errors that nobody bills, if each of them counts what was reserved:
//!
//! | how it ends | billed | end the call with |
//! |---|---|---|
//! | an answer with its usage | yes | [`settle`](crate::Call::settle) |
//! | an answer without a usage | yes | [`settle_at_least`](crate::Call::settle_at_least)`(Usage::ZERO)`: what is reserved counts |
//! | no connection: refused, DNS | no | [`release`](crate::Call::release) |
//! | 401, 403, 404, 413, 429, 529: turned away before any work | no | [`release`](crate::Call::release) |
//! | 400, 422 | no, but Azure OpenAI bills what its content filter stops | [`release`](crate::Call::release), there [`forfeit`](crate::Call::forfeit) |
//! | 500, 503 of the provider itself | usually not | [`release`](crate::Call::release) |
//! | 408, 502, 504, 524, and any 5xx of a gateway: the provider may have done the work | perhaps | [`forfeit`](crate::Call::forfeit), or the reconciler |
//! | the connection breaks, or the time limit passes | perhaps | [`forfeit`](crate::Call::forfeit), or the reconciler |
//! | the task is aborted or panics | perhaps | the drop does it: it counts what is reserved |
//!
//! Providers do not promise much about their errors. Where yours says otherwise, follow it.
//!
#![doc = concat!("```ignore\n", include_str!("one_call.rs"), "```")]
//!
//! # Retries
//!
//! Each attempt may be billed, so each has a reservation of its own.
//!
//! Client libraries that retry inside send requests that no pool ever sees. Switch it off, and retry
//! outside:
//!
//! | library | how |
//! |---|---|
//! | async-openai with `Client::with_backoff` | give it a backoff whose `max_elapsed_time` is `Some(Duration::ZERO)` |
//! | async-openai without that (0.43) | the feature `middleware`, and `with_http_service(ReqwestService::new(..))`: see [`without_retries`](#async-openai) |
//! | genai (0.7) | it sends each request once |
//! | the AWS SDK, for Bedrock | `retry_config(RetryConfig::disabled())` |
//! | reqwest with `reqwest-retry` | leave the retry middleware out |
//! | the vendors' Python and TypeScript SDKs, behind a gateway of yours | `max_retries=0`, `maxRetries: 0` |
//!
#![doc = concat!("```ignore\n", include_str!("retries.rs"), "```")]
//!
//! # Waiting for room
//!
//! [`reserve`](crate::BudgetPool::reserve) waits until calls in flight give back enough of what they have
//! reserved, first come, first served. It is woken, so there is no loop that tries again. Where waiting
//! cannot help, it returns an error at once: the pool is closed, the call is larger than a limit, or the
//! budget is spent.
//!
//! A call may wait for long, and its caller waits with it. So give it a limit in time:
//!
#![doc = concat!("```ignore\n", include_str!("wait.rs"), "```")]
//!
//! A task that holds a reservation and waits for another one may wait for itself, if the first one takes the
//! room. The same can happen to an agent that holds a reservation while its sub-agents wait for theirs. So
//! let each reserve for one call of its own, and end that call before it waits again.
//!
//! # Time limits, aborted tasks, and calls whose end nobody saw
//!
//! A call that is dropped counts all that is reserved for it, as forfeited. That is safe, and often too
//! much: usually the provider billed less. So hand such calls to a task that finds out. An
//! [`OwnedCall`](crate::OwnedCall) is `Send` and `'static`, and keeps its part reserved until it ends.
//!
//! The answer to "what did this cost" has to be final. A provider where requests can be cancelled by id
//! says so at once. At others, wait until the usage report covers the time of the call.
//!
#![doc = concat!("```ignore\n", include_str!("reconcile.rs"), "```")]
//!
//! # Streams
//!
//! A stream reports its running total as it goes, so that the pool is never far behind. If you stop
//! reading, the provider may be some tokens ahead of what came through.
//!
//! A stream that ends without its last part was not complete, even if no error says so. Without a
//! reconciler, end it with [`settle_at_least`](crate::Call::settle_at_least).
//!
//! OpenAI sends the usage of a stream in its last part, and only if `stream_options.include_usage` is set.
//! Anthropic's `message_start` has the input, and `message_delta` the running total of the output.
//!
#![doc = concat!("```ignore\n", include_str!("streams.rs"), "```")]
//!
//! Without a reconciler, and with the feature `stream`, all of that is one line: `Call::meter`
//! wraps the stream of events that your client library has. It reports, settles at the end, and counts what is
//! reserved if the stream breaks or is dropped.
//!
//! # Real clients
//!
//! The same with client libraries. The repository's `integrations/` runs all of them except rig, against a provider that
//! speaks OpenAI's API and Anthropic's. They share this, and from above `is_unbilled`, the `Reconciler` and the
//! `client::Error` that `is_unbilled` asks about:
//!
#![doc = concat!("```ignore\n", include_str!("clients/budget.rs"), "```")]
//!
//! A request needs an id that the reconciler can ask about later. Send it along where your provider or gateway
//! records it (`metadata`, `user`, a header). If there is no such thing, let the reconciler's `find_out` only
//! [`forfeit`](crate::Call::forfeit). A time limit goes around these functions: what it drops goes to the
//! reconciler.
//!
//! | client | a request that was turned away is | the usage of a stream |
//! |---|---|---|
//! | async-openai | an error of `create` and of `create_stream` (in older versions, such as 0.36, the first item of a stream). Without OpenAI's JSON in it, such as a gateway's own 429, it has no status | in the last chunk, with `include_usage` |
//! | genai | an error of `exec_chat`, but the first event of a stream, one level further in | in `End`, with `capture_usage` |
//! | reqwest, for Anthropic | an answer, which `error_for_status` makes an error | in `message_start` and `message_delta` |
//!
//! In all of these, a stream that the server ends too early just ends, without an error. So only its last part says
//! that it is complete.
//!
//! ## async-openai
//!
#![doc = concat!("```ignore\n", include_str!("clients/async_openai.rs"), "```")]
//!
//! In parts, with the reconciler, and as `metered` without:
//!
#![doc = concat!("```ignore\n", include_str!("clients/async_openai_stream.rs"), "```")]
//!
//! ## genai
//!
#![doc = concat!("```ignore\n", include_str!("clients/genai.rs"), "```")]
//!
//! ## Anthropic, without a library for it
//!
#![doc = concat!("```ignore\n", include_str!("clients/anthropic_sse.rs"), "```")]
//!
//! ## rig
//!
#![doc = concat!("```ignore\n", include_str!("clients/rig.rs"), "```")]
//!
//! # Budgets within budgets
//!
//! A sub-agent belongs to a run, a run to a team. Make each a [child](crate::BudgetPool::child) of what it
//! belongs to, and give it a label. Then one reservation holds on every level, and ends on every level in one
//! step. The function that makes the call takes one pool, and need not know of the others. If there is no
//! room, [`Rejected::level`](crate::Rejected::level) says where.
//!
#![doc = concat!("```ignore\n", include_str!("tree.rs"), "```")]
//!
//! Some budgets do not nest: that of a user, say, and that of a model, where each user uses each model.
//! Make one of them the tree that a call goes through, and reserve in the other one separately. If the second
//! pool refuses, the first reservation is dropped, and gives back. In between, other calls may have been
//! refused because of it. If you wait in both pools, let all tasks wait in them in the same order. Otherwise
//! two tasks may wait for each other.
//!
//! # A budget for each minute
//!
//! A window is a level of the tree, between a team and its runs. A timer resets it, and
//! [`reset`](crate::BudgetPool::reset) is about one level alone. The period starts with the timer's tick, not
//! with the call. So two periods' tokens may be spent in quick succession, just before a tick and just
//! after it. Calls that are in flight at the tick stay reserved in the window. They count in the period in
//! which they are settled.
//!
//! Once the tokens of a period are spent, [`reserve`](crate::BudgetPool::reserve) returns an error, since no
//! call in flight will make room. The next tick will. This recipe waits for it. Those that wait for a tick
//! lose their place in line.
//!
#![doc = concat!("```ignore\n", include_str!("window.rs"), "```")]
//!
//! # A guaranteed share
//!
//! Children compete for what their parent has. To guarantee a part of it to one of them, reserve that part in
//! the parent, and give the run a pool of its own with that limit. At the end, settle the reservation with
//! what the run spent.
//!
//! The parent counts the share as one call, and does not see what is spent of it until it ends.
//! ([`report`](crate::OwnedCall::report) the running total, if it should.) A refusal names a level of the
//! share's own tree.
//!
#![doc = concat!("```ignore\n", include_str!("share.rs"), "```")]
//!
//! # Shutdown and restart
//!
//! Close the pool, wait for the calls in flight, and save the snapshot (feature `serde`).
//! [`Builder::restore`](crate::Builder::restore) goes on counting from it. The repository's example `restart`
//! does so with a file.
//!
//! A process that is killed saves nothing, and what it spent since the last save would be spent again. So
//! save every few seconds too (a snapshot is cheap), or append each receipt's
//! [`counted`](crate::Receipt::counted) to a journal. Restore with
//! [`Restore::ReservedAsSpent`](crate::Restore::ReservedAsSpent).
//!
#![doc = concat!("```ignore\n", include_str!("shutdown.rs"), "```")]
//!
//! Of a tree, close the root, and save its [`tree_snapshot`](crate::BudgetPool::tree_snapshot): the state of
//! all levels at one moment, so that the sums agree. Saved one by one, a call could be in the run's and not
//! yet in the team's. In the next process, make the children again from it, each below its own parent:
//!
#![doc = concat!("```ignore\n", include_str!("save_tree.rs"), "```")]
//!
//! The root is open again, also if it was closed. Children that were closed stay closed. Levels that are not
//! wanted any more, such as a run
//! that will not go on, are left out: what they spent is in the levels above already.
//!
//! # Warnings before the limit
//!
//! Somebody should know before calls are refused. [`Builder::warn_at`](crate::Builder::warn_at) sets
//! thresholds. They are shares of limits, such as 80 percent, of a pool and of all pools below it. The call
//! that takes what is spent to a threshold or past it reports it. The calls after it do not, until a reset or
//! a raised limit. The report is in the call's [`Receipt`](crate::Receipt::crossed), and goes to the hook
//! [`on_crossed`](crate::Builder::on_crossed). The hook also hears of calls without a receipt, such as one
//! that is dropped.
//!
#![doc = concat!("```ignore\n", include_str!("warn.rs"), "```")]
//!
//! The report names the [level](crate::Crossed::level), so one hook is enough for a whole tree. After a timer
//! has reset a [window](#a-budget-for-each-minute), its thresholds can be crossed again. To admit no more
//! calls once a threshold is crossed, [`close`](crate::BudgetPool::close) the pool in the hook. (Give the
//! hook a `Weak` of the pool. With an `Arc` the pool would keep itself alive.)
//!
//! # What to watch
//!
//! [`BudgetPool::spent`](crate::BudgetPool::spent) says how much of the budget is a guess:
//!
//! - [`forfeited_cost`](crate::Spent::forfeited_cost) counts only because it was reserved, for calls
//!   whose end nobody saw. If it is a large part of [`cost`](crate::Spent::cost), calls time out or are
//!   aborted, or their errors are not released. A reconciler brings it to zero.
//! - [`unpriced_calls`](crate::Spent::unpriced_calls) had no known cost: a model without a price, or answers
//!   without a usage.
//!
//! ```
//! use token_budget_pool::{BudgetPool, Usage, Usd};
//!
//! let pool = BudgetPool::unconstrained();
//! let estimate = Usage::tokens(1_000, 500).cost(Usd::cents(2));
//! drop(pool.try_reserve(estimate)?.start()); // timed out, and nobody looked into it
//! let spent = pool.spent();
//! if spent.forfeited_cost > spent.cost.percent(10) {
//!     eprintln!("${} of ${} were never confirmed", spent.forfeited_cost, spent.cost);
//! }
//! # Ok::<(), token_budget_pool::Rejected>(())
//! ```
//!
//! [`Snapshot::prometheus_text`](crate::Snapshot::prometheus_text) has all of it as text that Prometheus reads:
//! what is spent, reserved, limited and left, and these guesses. With the feature `metrics`,
//! `Snapshot::set_gauges` sets the same gauges through the facade `metrics`. Both read one
//! snapshot when you call them, and the calls on the pool do not get slower. Of a tree, give each pool that you want
//! to see a name of its own.
//!
//! The pool does not count what it refused. Count that where you handle the error, by
//! [level](crate::Rejected::level) and [dimension](crate::Rejected::dimension).
//!
//! Log every [`Receipt`](crate::Receipt) that [is a guess](crate::Receipt::is_guess) or is
//! [over a limit](crate::Receipt::over_limit). Its `Display` is one line.
//!
//! # What providers report
//!
//! Each provider counts in its own way. [`TokenCounts`](crate::TokenCounts) has two constructors, for the two ways in
//! which they count cached tokens, and a method for each thing that some count apart:
//!
//! | provider | input | cached tokens | output | constructor, and what is apart |
//! |---|---|---|---|---|
//! | OpenAI, Chat Completions | `prompt_tokens` | inside: `prompt_tokens_details.cached_tokens` | `completion_tokens` | `inclusive`, `cache_write_inside(..cache_write_tokens)` |
//! | OpenAI, Responses | `input_tokens` | inside: `input_tokens_details.cached_tokens` | `output_tokens` | the same |
//! | xAI, Chat Completions | as OpenAI | inside | without reasoning: the total is larger by it | `inclusive`, `reasoning_outside(..reasoning_tokens)` |
//! | Gemini | `promptTokenCount` | inside: `cachedContentTokenCount` | `candidatesTokenCount`, without thoughts | `inclusive`, `reasoning_outside(thoughtsTokenCount)`, `tool_prompt_outside(toolUsePromptTokenCount)` |
//! | Anthropic | `input_tokens` | outside: `cache_read_input_tokens`, `cache_creation_input_tokens` | `output_tokens` | `exclusive`, `one_hour_writes(cache_creation.ephemeral_1h_input_tokens)` |
//! | Bedrock, Converse | `inputTokens` | outside: `cacheReadInputTokens`, `cacheWriteInputTokens` | `outputTokens` | `exclusive`, `one_hour_writes` of those in `cacheDetails` with a `ttl` of `1h` |
//!
//! OpenAI's counts given to `exclusive` pay for cached tokens twice. Anthropic's given to `inclusive` are an error, or
//! lose the cache writes. Where a total is reported, compare it: what only the total has is billed too.
//!
//! ```
//! use token_budget_pool::{Price, Rates, TokenCounts};
//!
//! // Claude, with its rates for long prompts and for cache writes for an hour.
//! let price = Price::per_million(Rates {
//!     uncached_input: "3",
//!     output: "15",
//!     cache_read: "0.30",
//!     cache_write: "3.75",
//!     cache_write_1h: Some("6"),
//! })?;
//! let dearer = Price::per_million(Rates {
//!     uncached_input: "6",
//!     output: "22.50",
//!     cache_read: "0.60",
//!     cache_write: "7.50",
//!     cache_write_1h: Some("12"),
//! })?;
//! let price = price.above(200_000, dearer);
//!
//! let counts = TokenCounts::exclusive(10, 4_332, 4_513, 211)?; // input, read, written, output
//! assert_eq!(price.usage(counts).cost.unwrap().to_string(), "0.02141835");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Some things that are billed are in no count, or not where one looks:
//!
//! - OpenRouter and xAI report what they bill. Give that to [`at_cost`](crate::TokenCounts::at_cost): it is right
//!   where the counts are not. In one recorded answer it is 91 times what the tokens cost.
//! - Anthropic's compaction of a conversation, and the advice of another model, are in `usage.iterations` only.
//! - Searches and other tools of a provider are billed by use. Add them with
//!   [`Usage::checked_add`](crate::Usage::checked_add).
//! - Audio and images often have rates of their own, and so have faster and slower modes, some regions, and batches.
//!
//! The repository's example `provider_usage` has the code for all of these shapes, to copy. The counts that it reads
//! are tested on 101 recorded and documented answers, against the totals that these report. Its prices come from the
//! crate `genai-prices`, which knows more than a thousand models, their steps, and their rates for caches, audio and
//! images. `serde_json::from_str::<Price>` reads an entry of LiteLLM's list.
//!
//! # In a tower stack
//!
#![cfg_attr(
    feature = "tower",
    doc = "With the feature `tower`, [`BudgetLayer`](crate::BudgetLayer) makes each request of a tower service a call on a pool, and [`WaitingBudgetLayer`](crate::WaitingBudgetLayer) waits for room first."
)]
#![cfg_attr(
    not(feature = "tower"),
    doc = "With the feature `tower`, `BudgetLayer` makes each request of a tower service a call on a pool, and `WaitingBudgetLayer` waits for room first."
)]
//!
//! One function of yours reserves, from the pool that the request belongs to. Another one ends the call with what
//! came back, or hands it on with the answer. Below a layer that retries, each attempt is a call, as providers bill
//! it. The repository's example `gateway` puts it together with a retry layer, metered streams, and gauges.
