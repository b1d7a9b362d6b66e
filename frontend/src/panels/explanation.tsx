// Why a symbol did, or did not, trade on a bar: the chain from the schedule's tick to the fill.
import type { Explanation, ExplanationChain, ExplanationLine, ExplanationStep } from "../api/bodies";
import { tellsOfOlder, type NamedBar } from "../chart/series";
import { marketDay } from "../format/time";
import { Moment, capital, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";

interface Props {
  symbol: string;
  /** The last bar that closed up to then is explained; null is the newest. */
  at: string | null;
  /** How the bar is named to the reader. */
  bar: string;
  /** The bar that is named: its start in seconds since 1970, and its length; null for whatever closed last. */
  named: NamedBar | null;
  /** Null where there is no bar to go to. */
  earlier: (() => void) | null;
  later: (() => void) | null;
}

export function Why({ symbol, at, bar, named, earlier, later }: Props) {
  const view = useRead<Explanation>(`/api/signals/${encodeURIComponent(symbol)}/explain${at ? `?at=${encodeURIComponent(at)}` : ""}`);
  return (
    <Panel title="Why did it, or did it not, trade?" testid="why" view={view}>
      <div class="bar-picker">
        <button type="button" class="quiet" disabled={!earlier} onClick={() => earlier?.()} aria-label="The bar before" data-testid="bar-before">
          ◂
        </button>
        <strong data-testid="why-bar">{bar}</strong>
        <button type="button" class="quiet" disabled={!later} onClick={() => later?.()} aria-label="The bar after" data-testid="bar-after">
          ▸
        </button>
        <span class="soft">or click a bar of the chart</span>
      </div>
      <Loaded view={view} what="explanation" rows={5}>
        {(explanation) =>
          explanation.chains.length === 0 ? (
            <p>{explanation.answer}</p>
          ) : (
            <>
              {explanation.chains.map((chain) => (
                <ChainOf key={`${chain.strategy} ${chain.timeframe}`} chain={chain} older={named !== null && tellsOfOlder(chain, named)} />
              ))}
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

const ChainOf = ({ chain, older }: { chain: ExplanationChain; older: boolean }) => (
  <section class="chain">
    <h3>
      {chain.strategy} <span class="soft">on bars of {chain.timeframe}</span> {chain.mode !== "trade" && <span class="badge">{plain(chain.mode)}</span>}
    </h3>
    {older && chain.bar_close && (
      <p class="notice" data-testid="why-older">
        This bar was not judged yet. The last one that was, of <Moment at={chain.bar_close} form={marketDay} />:
      </p>
    )}
    <p class="chain-answer" data-testid="why-answer">
      {capital(chain.answer)}
    </p>
    <ol class="steps">
      {chain.steps.map((step, n) => (
        <StepOf key={n} step={step} told={chain.answer} />
      ))}
    </ol>
  </section>
);

function StepOf({ step, told }: { step: ExplanationStep; told: string }) {
  const passed = step.passed !== false;
  const lines = step.lines ?? [];
  return (
    <li class={passed ? "step" : "step ended"} data-testid="why-step" data-passed={String(passed)}>
      <span class={`shape ${passed ? "up" : "down"}`} aria-hidden="true">
        {passed ? "✓" : "✕"}
      </span>
      <div>
        <p>
          <strong>{plain(step.name)}</strong> <span class="unseen">{passed ? "passed" : "ended here"}: </span>
          {told.endsWith(step.result) ? "see above" : step.result} {step.at && <span class="soft"><Moment at={step.at} /></span>}
        </p>
        {lines.length > 0 && (
          <details open={!passed}>
            <summary>{lines.length} looked at</summary>
            <ul class="plain">
              {lines.map((line, n) => (
                <LineOf key={n} line={line} />
              ))}
            </ul>
          </details>
        )}
      </div>
    </li>
  );
}

const LineOf = ({ line }: { line: ExplanationLine }) => (
  <li>
    {typeof line.holds === "boolean" && <span class={line.holds ? "up" : "down"}>{line.holds ? "✓ holds" : "✕ fails"} </span>}
    {line.text}
    {typeof line.by === "number" && <span class="soft"> off by {Number(line.by.toPrecision(4))}</span>}
  </li>
);
