// Lines over time in a figure with its words.
import { useEffect } from "preact/hooks";
import { Attribution, InLegend, useCanvas } from "../chart/loaded";
import type { Line, LinesCanvas } from "../chart/lines";

export function Lines({ lines, label, testid, tall = false }: { lines: readonly Line[]; label: string; testid: string; tall?: boolean }) {
  const { host, canvas, failure } = useCanvas<LinesCanvas>(({ openLines }, element) => openLines(element));
  useEffect(() => canvas?.show(lines), [canvas, lines]);
  return (
    <figure class="chart" data-testid={testid} data-points={String(lines[0]?.points.length ?? 0)} data-drawn={String(canvas !== null)}>
      {failure && <p class="notice bad">{failure}</p>}
      <div ref={host} class={tall ? "canvas" : "canvas low"} role="img" aria-label={label} />
      <figcaption>
        <span class="legend">
          {lines.map((line) => (
            <InLegend key={line.name} tone={line.tone} shape="━" name={line.name} />
          ))}
        </span>
        <Attribution />
      </figcaption>
    </figure>
  );
}
