// In which order tables and queues stand. Pure.
import type { QueueFigures, TableUsage } from "../api/bodies";

const unitsOf = (table: TableUsage): number => table.read_units + table.write_units;

/** Those that refused requests first, then the busiest. */
export const tablesByLoad = (tables: readonly TableUsage[]): TableUsage[] => [...tables].sort((a, b) => b.throttles - a.throttles || unitsOf(b) - unitsOf(a));

const messagesOf = (queue: QueueFigures): number => queue.waiting + queue.in_flight;

/** Those that gave messages up first, then the fullest; idle ones stay as the API names them. */
export const queuesByTrouble = (queues: readonly QueueFigures[]): QueueFigures[] => [...queues].sort((a, b) => b.dead_letters - a.dead_letters || messagesOf(b) - messagesOf(a));
