// The equity curve.
import { useEffect } from "preact/hooks";
import type { EquityMark, Page } from "../api/bodies";
import type { EquityCanvas } from "../chart/canvas";
import { Attribution, useCanvas } from "../chart/loaded";
import { money } from "../format/money";
import { Moment } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";

export function Equity() {
  const view = useRead<Page<EquityMark>>("/api/analytics/pnl-history");
  const last = view.data && newest(view.data.items);
  const aside = last && (
    <>
      {money(last.equity)} at <Moment at={last.at} />
    </>
  );
  return (
    <Panel title="Equity" aside={aside}>
      <Loaded
        view={view}
        what="equity curve"
        rows={6}
        isEmpty={(page) => page.items.length === 0}
        empty="No equity mark yet: the monitor writes one at each of its ticks."
      >
        {(page) => <Curve marks={page.items} />}
      </Loaded>
    </Panel>
  );
}

const newest = (marks: EquityMark[]): EquityMark | undefined =>
  marks.reduce<EquityMark | undefined>((best, mark) => (best && Date.parse(best.at) >= Date.parse(mark.at) ? best : mark), undefined);

function Curve({ marks }: { marks: EquityMark[] }) {
  const { host, canvas, failure } = useCanvas<EquityCanvas>(({ openEquity }, element) => openEquity(element));
  useEffect(() => canvas?.show(marks), [canvas, marks]);
  return (
    <figure class="chart" data-testid="equity-curve" data-marks={String(marks.length)}>
      {failure && <p class="notice bad">{failure}</p>}
      <div ref={host} class="canvas low" role="img" aria-label={`Equity over time, ${marks.length} marks`} />
      <figcaption>
        <Attribution />
      </figcaption>
    </figure>
  );
}
