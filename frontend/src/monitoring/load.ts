// In which order the tables of the day stand. Pure.
import type { TableUsage } from "../api/bodies";

const unitsOf = (table: TableUsage): number => table.read_units + table.write_units;

/** Those that refused requests first, then the busiest. */
export const tablesByLoad = (tables: readonly TableUsage[]): TableUsage[] => [...tables].sort((a, b) => b.throttles - a.throttles || unitsOf(b) - unitsOf(a));
