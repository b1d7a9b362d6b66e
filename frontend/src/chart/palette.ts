// The page's colours for a canvas, which cannot read the style sheet itself.
import { theme } from "../theme";

export interface Palette {
  ground: string;
  ink: string;
  soft: string;
  line: string;
  up: string;
  down: string;
  accent: string;
  warn: string;
}

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: colour("panel"),
    ink: colour("ink"),
    soft: colour("soft"),
    line: colour("line"),
    up: colour("up"),
    down: colour("down"),
    accent: colour("accent"),
    warn: colour("warn"),
  };
}

/** Calls `changed` when the page turns from light to dark or back; returns how to stop. */
export function watchTheme(changed: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", changed);
  const stop = theme.watch(changed);
  return () => {
    dark.removeEventListener("change", changed);
    stop();
  };
}
