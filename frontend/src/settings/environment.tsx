// Where the stack runs and with what; secrets by name alone.
import type { ConfigurationEnvironment } from "../api/bodies";
import { plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";

export function Environment() {
  const view = useRead<ConfigurationEnvironment>("/api/config/environment", 300_000);
  return (
    <Panel title="Environment" testid="environment-panel" view={view}>
      <Loaded view={view} what="environment">
        {(found) => (
          <>
            <Pairs pairs={{ environment: found.environment, account: found.account, version: found.version, python: found.python, region: found.region, "log level": `${found.log_level}, from the ${found.log_level_from}` }} />
            <details class="more">
              <summary>Parameters of the stack</summary>
              <Pairs pairs={found.parameters} />
            </details>
            <details class="more">
              <summary>What every function is given</summary>
              <Pairs pairs={found.functions} />
            </details>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const Pairs = ({ pairs }: { pairs: Readonly<Record<string, string>> }) => (
  <dl class="pairs">
    {Object.entries(pairs).map(([name, value]) => (
      <div key={name}>
        <dt>{/[a-z]/.test(name) ? name : plain(name)}</dt>
        <dd>{value || "not set"}</dd>
      </div>
    ))}
  </dl>
);
