// Which part of the trading the results are of.
import type { Configuration } from "../api/bodies";
import { useConfig } from "../panels/config";
import { useAccount } from "../panels/account";
import { WHOLE, type Part } from "./query";

const strategiesOf = (config: Configuration | undefined): string[] => Object.keys((config?.settings.strategies ?? {}) as object);

export function Filter({ part, set, fault }: { part: Part; set: (part: Part) => void; fault: string | null }) {
  const strategies = strategiesOf(useConfig().data);
  const asOf = useAccount().data?.as_of;
  const change = (name: keyof Part, text: string) => set({ ...part, [name]: name === "symbol" || name === "benchmark" ? text.trim().toUpperCase() : text.trim() });
  const text = (name: "symbol" | "tag" | "benchmark", label: string) => (
    <label>
      {label}{" "}
      <input class="short" value={part[name]} title={name === "benchmark" ? "A symbol held all the time; by itself the first of the watchlist that has bars" : undefined} placeholder={name === "benchmark" ? "auto" : "all"} onChange={(event) => change(name, event.currentTarget.value)} data-testid={`filter-${name}`} />
    </label>
  );
  const day = (name: "from" | "to", label: string) => (
    <label>
      {label} <input type="date" max={asOf?.slice(0, 10)} value={part[name]} onChange={(event) => change(name, event.currentTarget.value)} data-testid={`filter-${name}`} />
    </label>
  );
  return (
    <section class="panel strip" aria-label="Which part">
      <div class="filters">
        {day("from", "From")}
        {day("to", "to")}
        {text("symbol", "Symbol")}
        <label>
          Strategy{" "}
          <select value={part.strategy} onChange={(event) => set({ ...part, strategy: event.currentTarget.value })} data-testid="filter-strategy">
            <option value="">all</option>
            {strategies.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {text("tag", "Tag")}
        {text("benchmark", "Benchmark")}
        <button type="button" class="quiet" onClick={() => set(WHOLE)}>
          Clear
        </button>
      </div>
      {fault && (
        <p class="down" role="alert">
          {fault}
        </p>
      )}
    </section>
  );
}
