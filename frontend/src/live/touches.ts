// Which reads an event makes stale: the page fetches these again when it hears of one.

const FIGURES = ["/api/account", "/api/portfolio", "/api/risk/limits"];
const HOLDINGS = [...FIGURES, "/api/positions", "/api/analytics"];

const TOUCHES: Readonly<Record<string, readonly string[]>> = {
  RunPlanned: ["/api/market_status"],
  RunConcluded: ["/api/market_status", "/api/indicators", "/api/signals", "/api/chart", "/api/monitoring/metrics"],
  SignalRaised: ["/api/signals", "/api/chart"],
  SignalWithheld: ["/api/signals"],
  TradeRejected: ["/api/orders", "/api/refusals"],
  OrderSubmitted: ["/api/orders", ...FIGURES, "/api/monitoring/metrics"],
  OrderUpdated: ["/api/orders", ...FIGURES, "/api/positions"],
  OrderFilled: ["/api/orders", "/api/fills", ...HOLDINGS, "/api/chart", "/api/monitoring/metrics"],
  PositionChanged: HOLDINGS,
  EquityMarked: [...FIGURES, "/api/positions", "/api/analytics"],
  RiskLimitBreached: [...FIGURES, "/api/positions", "/api/trading_state"],
  BooksDrifted: [...FIGURES, "/api/positions", "/api/orders", "/api/monitoring/metrics"],
  PositionSplit: [...HOLDINGS, "/api/orders", "/api/chart"],
  SharesMoved: HOLDINGS,
  CashMoved: HOLDINGS,
  BooksRebuilt: HOLDINGS,
  DaySummarised: [...FIGURES, "/api/analytics"],
  TradingStateChanged: ["/api/account", "/api/trading_state", "/api/risk"],
  SettingsChanged: ["/api/config"],
  RunMissed: ["/api/monitoring"],
  ServiceDegraded: ["/api/monitoring"],
  ServiceRecovered: ["/api/monitoring"],
};

/** Path prefixes; an event that is not here touches nothing. */
export const touchedBy = (type: string): readonly string[] => TOUCHES[type] ?? [];
