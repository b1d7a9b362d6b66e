// `/config`: the settings in force, their version, and the environment.
import type { Configuration } from "../api/bodies";
import { useConfig } from "../panels/chart";
import { plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";

export function Config() {
  const view = useConfig();
  const aside = view.data && <Version config={view.data} />;
  return (
    <div class="columns even">
      <Panel title="Trading settings" aside={aside}>
        <Loaded view={view} what="settings" rows={8}>
          {(config) => <Settings values={config.settings} />}
        </Loaded>
      </Panel>
      <Panel title="Environment">
        <Loaded
          view={view}
          what="environment"
          isEmpty={(config) => Object.keys(config.environment).length === 0}
          empty="The API named no environment."
        >
          {(config) => <Pairs pairs={Object.entries(config.environment)} />}
        </Loaded>
      </Panel>
    </div>
  );
}

/** When is wall time here: a person changed the settings, not the market. */
const Version = ({ config }: { config: Configuration }) => (
  <span data-testid="settings-version">
    version {config.version}, by {config.author}:{" "}
    <time dateTime={config.changed_at} title={config.reason}>
      {new Date(config.changed_at).toLocaleDateString(undefined, { dateStyle: "medium" })}
    </time>
  </span>
);

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

/** What a group holds itself, then its groups under their whole name, such as a strategy's parameters. */
function Settings({ values, title = "" }: { values: Record<string, unknown>; title?: string }) {
  const all = Object.entries(values);
  const single = all.filter(([, value]) => !isGroup(value));
  const groups = all.filter((entry): entry is [string, Record<string, unknown>] => isGroup(entry[1]));
  return (
    <>
      {title !== "" && single.length > 0 && <h3>{title}</h3>}
      {single.length > 0 && <Pairs pairs={single} />}
      {groups.map(([name, group]) => (
        <section key={name}>
          <Settings values={group} title={title === "" ? plain(name) : `${title}: ${plain(name)}`} />
        </section>
      ))}
    </>
  );
}

const Pairs = ({ pairs }: { pairs: [string, unknown][] }) => (
  <dl class="pairs">
    {pairs.map(([name, value]) => (
      <div key={name}>
        <dt>{plain(name)}</dt>
        <dd>{shown(value)}</dd>
      </div>
    ))}
  </dl>
);

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  if (value === null || value === "") return "not set";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? "none" : String(value);
}
