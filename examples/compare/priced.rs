//! The real trace of the replay example: read and priced before anything is measured.

use std::path::Path;

use crate::input::{BadInput, Input};
use crate::prices::Prices;
use crate::rivals::Call;
use crate::trace;

pub(crate) fn read() -> Result<Vec<Call>, BadInput> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/replay/data");
    let file = Input::read(&data.join("claude_code_agent_traces.csv"))?;
    let prices = Input::read(&data.join("litellm_prices.json"))?;
    let prices = Prices::read(&prices)?;
    let (_, calls) = trace::read(&file)?;
    let priced = calls.iter().map(|call| {
        let bad = |what: &str| file.bad(call.line, what);
        let model = call.model.as_deref().ok_or_else(|| bad("no model"))?;
        let price = prices.of(model).ok_or_else(|| bad("unknown model"))??;
        let usage = price.actual(call).ok_or_else(|| bad("costs too much"))?;
        let cost = usage.cost.ok_or_else(|| bad("no cost"))?;
        Ok(Call {
            input: usage.input_tokens,
            output: usage.output_tokens,
            nanos: cost.as_nanos(),
            dollars: cost.to_f64(),
        })
    });
    priced.collect()
}
