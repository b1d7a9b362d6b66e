// `/analytics`: how the trading went, and how it would have gone: results, trades, backtests.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Backtests } from "../backtests/panel";
import { useSeen } from "../parts/seen";
import { useDraft } from "../store/draft";
import { useSettled } from "../store/settled";
import { Equity, Groups, InNumbers, Months, Results, TradeDistribution } from "../results/panels";
import { Files } from "../results/files";
import { Filter } from "../results/filter";
import { WHOLE, faultOf, type Part } from "../results/query";
import { Reconciliation } from "../results/reconciliation";
import { Slippage } from "../results/slippage";
import { Tax } from "../results/tax";
import { Trades } from "../results/trades";

export function Analytics() {
  const [wanted, want] = useDraft<Part>("results", WHOLE);
  const [part, setPart] = useState(faultOf(wanted) === null ? wanted : WHOLE);
  const fault = faultOf(wanted);
  const settled = useSettled(wanted);
  // What cannot be asked for leaves the last results in place.
  if (settled === wanted && fault === null && part !== wanted) setPart(wanted);
  return (
    <>
      <Filter part={wanted} set={want} fault={fault} />
      <Results part={part} />
      <Equity part={part} />
      <InNumbers part={part} />
      <Months part={part} />
      <div class="columns even">
        <Groups part={part} />
        <TradeDistribution part={part} />
      </div>
      <Trades part={part} />
      <Backtests />
      <Below>
        <Tax />
        <Slippage part={part} />
        <div class="columns even">
          <Reconciliation part={part} />
          <Files part={part} />
        </div>
      </Below>
    </>
  );
}

/** What stands at the end of a long page is read when the reader comes there. */
function Below({ children }: { children: ComponentChildren }) {
  const end = useRef<HTMLDivElement>(null);
  return useSeen(end) ? <>{children}</> : <div ref={end} />;
}
