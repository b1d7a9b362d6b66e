// How a panel gets a canvas: the chart's code is fetched when the first chart is shown.
import { useEffect, useRef, useState } from "preact/hooks";

type Canvases = typeof import("./canvas");

/** Begins to fetch the chart's code, for a panel that waits for what it will draw. */
export const fetchCanvases = (): Promise<Canvases> => import("./canvas");

/** Opens a canvas on `host` once the code is there, and closes it with the panel. */
export function useCanvas<C extends { close(): void }>(open: (canvases: Canvases, element: HTMLElement) => C) {
  const host = useRef<HTMLDivElement>(null);
  const [canvas, setCanvas] = useState<C | null>(null);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    let opened: C | null = null;
    let left = false;
    fetchCanvases()
      .then((canvases) => {
        if (left || !host.current) return;
        opened = open(canvases, host.current);
        setCanvas(opened);
      })
      .catch((error: Error) => setFailure(`The chart cannot be drawn: ${error.message}. Load the page again.`));
    return () => {
      left = true;
      opened?.close();
    };
  }, []);
  return { host, canvas, failure };
}

/** One sign of a chart with its name. */
export const InLegend = ({ tone, shape, name }: { tone: string; shape: string; name: string }) => (
  <span>
    <span class={tone} aria-hidden="true">
      {shape}
    </span>{" "}
    {name}
  </span>
);

/** The notice and link that the licence of lightweight-charts asks for. */
export const Attribution = () => (
  <span>
    Drawn with{" "}
    <a href="https://www.tradingview.com/" rel="noreferrer noopener" target="_blank">
      TradingView Lightweight Charts™
    </a>
  </span>
);
