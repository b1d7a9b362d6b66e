// A symbol as a link to its own page.
import { follow } from "../router";

export const symbolPath = (symbol: string): string => `/symbol/${encodeURIComponent(symbol)}`;

export const SymbolLink = ({ symbol, label }: { symbol: string; label?: string }) => (
  <a class={label ? "to-symbol" : "symbol"} aria-label={label && `${symbol}: ${label}`} href={symbolPath(symbol)} onClick={(event) => follow(event, symbolPath(symbol))}>
    {label ?? symbol}
  </a>
);
