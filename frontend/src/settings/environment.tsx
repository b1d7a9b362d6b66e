// Where the stack runs and with what; secrets by name alone.
import type { ConfigurationEnvironment } from "../api/bodies";
import { capital, plain } from "../parts/figures";
import { Pairs, type Pair } from "../parts/pairs";
import { Loaded, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";

export function Environment() {
  const view = useRead<ConfigurationEnvironment>("/api/config/environment", 300_000);
  return (
    <Panel title="Environment" testid="environment-panel" view={view}>
      <Loaded view={view} what="environment">
        {(found) => (
          <>
            <Pairs pairs={pairsOf({ Environment: found.environment, Account: found.account, Version: found.version, Python: found.python, Region: found.region, "Log level": `${found.log_level}, from the ${found.log_level_from}` })} />
            <details class="more">
              <summary>Parameters of the stack</summary>
              <Pairs pairs={pairsOf(found.parameters)} />
            </details>
            <details class="more">
              <summary>What every function is given</summary>
              <Pairs pairs={pairsOf(found.functions)} />
            </details>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const pairsOf = (found: Readonly<Record<string, string>>): Pair[] =>
  Object.entries(found).map(([name, value]) => [/[a-z]/.test(name) ? name : capital(plain(name)), value || "not set"]);
