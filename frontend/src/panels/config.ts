// The settings in force, as panels other than their own page need them.
import type { Configuration } from "../api/bodies";
import { useCell, useRead } from "../store/hooks";
import { inOrder, symbolsFirst } from "../theme";

export const useConfig = () => useRead<Configuration>("/api/config");

/** The symbols that are watched, those that the user prefers in front. */
export function useWatchlist(): string[] {
  return inOrder(watchlistOf(useConfig().data), useCell(symbolsFirst));
}

export function watchlistOf(config: Configuration | undefined): string[] {
  const list = config?.settings.watchlist;
  return Array.isArray(list) ? list.map(String) : [];
}
