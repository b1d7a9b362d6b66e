// The newest signals of all symbols, one read for every panel that tells of them.
import type { Page, Signal } from "../api/bodies";
import { useRead } from "../store/hooks";

export const useSignals = () => useRead<Page<Signal>>("/api/signals?limit=100");
