// How many trades gained how much: bars drawn as SVG, with the same in a table for who reads it.
import type { Distribution } from "../api/bodies";
import { money } from "../format/money";
import { gained, number } from "./numbers";

const [WIDTH, HEIGHT, FOOT] = [600, 186, 24];

export function Histogram({ of }: { of: Distribution }) {
  const most = Math.max(1, ...of.bins.map((bin) => bin.trades));
  const step = WIDTH / Math.max(1, of.bins.length);
  const labelled = Math.ceil(of.bins.length / 8);
  return (
    <figure class="histogram" data-testid="histogram" data-bins={String(of.bins.length)}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${of.trades} trades by their gain in per cent; mean ${gained(of.mean_percent)}, median ${gained(of.median_percent)}`}>
        {of.bins.map((bin, index) => {
          const tall = ((HEIGHT - FOOT - 6) * bin.trades) / most;
          return (
            <g key={bin.low_percent}>
              <rect class={Number(bin.low_percent) >= 0 ? "gain-bar" : "loss-bar"} x={index * step + 1} y={HEIGHT - FOOT - tall} width={Math.max(1, step - 2)} height={tall}>
                <title>{`${Number(bin.low_percent)}% to ${Number(bin.high_percent)}%: ${bin.trades} trades, ${money(bin.pnl)}`}</title>
              </rect>
              {index % labelled === 0 && (
                <text x={index * step + 1} y={HEIGHT - 4}>
                  {number(Number(bin.low_percent), 1).replace(/\.0$/, "")}%
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <figcaption>
        mean {gained(of.mean_percent)}, median {gained(of.median_percent)}, standard deviation {number(of.deviation_percent)} points
        <details class="more">
          <summary>The same as a table</summary>
          <div class="scroll" role="group" aria-label="Trades by their gain" tabIndex={0}>
            <table>
              <caption class="unseen">Trades by their gain</caption>
              <thead>
                <tr>
                  <th scope="col">Gained</th>
                  <th scope="col" class="amount">
                    Trades
                  </th>
                  <th scope="col" class="amount">
                    Profit
                  </th>
                </tr>
              </thead>
              <tbody>
                {of.bins.map((bin) => (
                  <tr key={bin.low_percent}>
                    <th scope="row">
                      {Number(bin.low_percent)}% to {Number(bin.high_percent)}%
                    </th>
                    <td class="amount">{bin.trades}</td>
                    <td class="amount">{money(bin.pnl)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      </figcaption>
    </figure>
  );
}
