// A line as small as a word, for a row or a figure; its words are for those who cannot see it.
import { useMemo } from "preact/hooks";

export interface Stroke {
  values: readonly (number | null)[];
  tone: "accent" | "warn" | "soft" | "up" | "down";
}

interface Props {
  label: string;
  strokes: readonly Stroke[];
  /** Dotted lines across, such as the oversold level. */
  levels?: readonly number[];
  /** The scale's ends; those of the values by default. */
  range?: readonly [low: number, high: number];
  wide?: boolean;
}

const WIDTH = 100;
const HEIGHT = 24;

export function Sparkline({ label, strokes, levels = [], range, wide }: Props) {
  const drawn = useMemo(() => {
    const [low, high] = range ?? ends(strokes);
    const y = (value: number) => round(HEIGHT - 1 - ((value - low) / (high - low || 1)) * (HEIGHT - 2));
    return { lines: strokes.map(({ values, tone }) => ({ tone, path: pathOf(values, y) })), levels: levels.map(y) };
  }, [strokes, range]);
  return (
    <svg class={wide ? "sparkline wide-line" : "sparkline"} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {drawn.levels.map((y) => (
        <line key={y} class="level" x1="0" x2={WIDTH} y1={y} y2={y} vector-effect="non-scaling-stroke" />
      ))}
      {drawn.lines.map(({ tone, path }, n) => (
        <path key={n} class={tone} d={path} vector-effect="non-scaling-stroke" />
      ))}
    </svg>
  );
}

const round = (value: number): number => Math.round(value * 100) / 100;

function ends(strokes: readonly Stroke[]): readonly [number, number] {
  const all = strokes.flatMap(({ values }) => values.filter((value) => value !== null));
  return [Math.min(...all), Math.max(...all)];
}

/** A path through the values, oldest at the left; a gap where there is none. */
export function pathOf(values: readonly (number | null)[], y: (value: number) => number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  let pen = "M";
  let path = "";
  values.forEach((value, n) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${round(n * step)} ${y(value)}`;
    pen = "L";
  });
  return path;
}
