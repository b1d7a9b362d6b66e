// How long bars are, shortest first: what charts show, strategies judge and backtests go through.
export const TIMEFRAMES = ["1Min", "5Min", "15Min", "1Hour", "1Day"] as const;
