// The settings in force, as panels other than their own page need them.
import type { Configuration } from "../api/bodies";
import { useRead } from "../store/hooks";

export const useConfig = () => useRead<Configuration>("/api/config");

export function watchlistOf(config: Configuration | undefined): string[] {
  const list = config?.settings.watchlist;
  return Array.isArray(list) ? list.map(String) : [];
}
