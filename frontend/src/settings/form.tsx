// The settings as a form made of their schema. What was typed is a draft on top of one version: when
// someone else saves meanwhile, both are shown and nothing typed is lost.
import { useEffect, useRef, useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { Configuration } from "../api/bodies";
import { WallMoment, capital, plain } from "../parts/figures";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { toast } from "../parts/toast";
import { useConfig } from "../panels/config";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import { at, boundsInWords, changeOf, clashes, fieldOf, fieldsOf, isGroup, parametersOf, pathOfField, resolved, same, shown, typed, type Clash, type FieldOf, type Schema } from "./schema";
import { AddStrategy, RemoveStrategy } from "./strategies";
import { asText } from "./words";

/** Texts as they were typed, by path, with the values they were typed over. */
interface Edits {
  version: number;
  texts: Readonly<Record<string, string>>;
  was: Readonly<Record<string, unknown>>;
}

const NONE: Edits = { version: 0, texts: {}, was: {} };
export const TOUCHES = ["/api/config"];

const useSchema = () => useRead<Schema>("/api/config/schema", 3_600_000);

export function SettingsForm() {
  const schema = useSchema();
  const config = useConfig();
  return (
    <Panel title="Trading settings" testid="settings" view={config} aside={config.data && <Version config={config.data} />}>
      <Loaded view={schema} what="the settings' schema" rows={8}>
        {(root) => (
          <Loaded view={config} what="settings" rows={8}>
            {(now) => <Form root={root} config={now} />}
          </Loaded>
        )}
      </Loaded>
    </Panel>
  );
}

const Version = ({ config }: { config: Configuration }) => (
  <span data-testid="settings-version" data-version={config.version}>
    version {config.version}, by {config.author}, <WallMoment at={config.changed_at} />
  </span>
);

interface Section {
  title: string;
  open: boolean;
  fields: readonly FieldOf[];
  strategy?: string;
}

/** Strategies first, then the limits, then what is set once and left. */
function sectionsOf(root: Schema, config: Configuration): Section[] {
  const top = resolved(root, root);
  const groups = Object.entries(top.properties ?? {}).filter(([, schema]) => isGroup(root, schema));
  const words: Readonly<Record<string, string>> = { risk: "Risk limits", orders: "Orders", monitoring: "Monitoring" };
  return [
    ...Object.entries((config.settings.strategies ?? {}) as Record<string, { rule: string }>).map(([name, { rule }]) => strategySection(root, name, rule)),
    ...groups.map(([name, schema]) => ({ title: words[name] ?? capital(plain(name)), open: false, fields: fieldsOf(root, schema, name) })),
    { title: "Runs and logs", open: false, fields: fieldsOf(root, top, "", ["watchlist", "watchlists", "strategies"]) },
  ];
}

function strategySection(root: Schema, name: string, rule: string): Section {
  const path = `strategies.${name}`;
  const own = fieldsOf(root, { $ref: "#/$defs/StrategySettings" }, path, ["rule", "parameters", "overrides"]);
  const overrides = fieldOf(root, `${path}.overrides`, root.$defs?.StrategySettings?.properties?.overrides ?? {});
  return { title: `Strategy ${name}, by the rule ${rule}`, open: false, strategy: name, fields: [...own, ...fieldsOf(root, parametersOf(root, rule), `${path}.parameters`), overrides] };
}

function Form({ root, config }: { root: Schema; config: Configuration }) {
  const mayChange = useMay("admin");
  const [edits, setEdits, clear] = useDraft<Edits>("settings", NONE);
  const [reason, setReason] = useDraft("settings-reason", "");
  const [sought, seek] = useState("");
  const { busy, error, run, forget } = useSend();
  const sections = sectionsOf(root, config);
  const fields = new Map(sections.flatMap((section) => section.fields).map((field) => [field.path, field]));
  const read = Object.entries(edits.texts).map(([path, text]) => ({ path, read: typed(fields.get(path) ?? fieldOf(root, path, {}), text) }));
  const changes = read.filter(({ path, read: one }) => "value" in one && !same(one.value, at(config.settings, path)));
  const faults: Record<string, string> = Object.fromEntries(read.flatMap(({ path, read: one }) => ("fault" in one ? [[path, one.fault]] : [])));
  const refused = pathOfField(error?.field ?? null);
  if (error && refused) faults[refused] ??= error.message;
  const clash = clashes(edits.was, config.settings);
  const count = changes.length + Object.keys(faults).filter((path) => path !== refused).length;

  function edit(field: FieldOf, text: string): void {
    forget();
    const before = at(config.settings, field.path);
    const { [field.path]: _, ...others } = edits.texts;
    const { [field.path]: __, ...othersWere } = edits.was;
    const back = text === shown(field, before);
    setEdits({
      version: Object.keys(edits.texts).length === 0 ? config.version : edits.version,
      texts: back ? others : { ...edits.texts, [field.path]: text },
      was: back ? othersWere : { [field.path]: before, ...edits.was },
    });
  }

  async function save(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const change = changeOf(Object.fromEntries(changes.map(({ path, read: one }) => [path, "value" in one ? one.value : null])));
    const saved = await run(() => send<Configuration>("POST", "/api/config", { reason: reason.trim(), settings: change }, { ifMatch: `"${edits.version}"`, touches: TOUCHES }));
    if (!saved) return;
    clear();
    setReason("");
    toast("good", `Saved as version ${saved.version}`);
  }

  const conflict = edits.version !== 0 && edits.version !== config.version && count > 0;
  const shownSections = sections.map((section) => ({ ...section, fields: section.fields.filter((field) => matches(field, sought)) })).filter((section) => section.fields.length > 0);
  return (
    <form class="form settings" onSubmit={save} noValidate autocomplete="off">
      <Field label="Find a setting">
        {(props) => <input {...props} type="search" value={sought} onInput={(event) => seek(event.currentTarget.value)} data-testid="settings-find" />}
      </Field>
      {!mayChange && <p class="soft">An admin may change these.</p>}
      {shownSections.map((section) => (
        <SectionView
          key={section.title}
          section={section}
          open={section.open || sought !== "" || section.fields.some(({ path }) => path in edits.texts || path in faults)}
          inputOf={(field) => <Input key={field.path} field={field} value={edits.texts[field.path] ?? shown(field, at(config.settings, field.path))} fault={faults[field.path]} changed={field.path in edits.texts} before={at(config.settings, field.path)} disabled={!mayChange} edit={(text) => edit(field, text)} />}
          version={config.version}
          mayChange={mayChange}
        />
      ))}
      {mayChange && <AddStrategy root={root} config={config} />}
      {(count > 0 || error) && (
        <div class="save-bar" data-testid="save-bar">
          {conflict && <Conflict version={config.version} author={config.author} clash={clash} edits={edits} take={(paths) => setEdits(without(edits, paths))} keep={() => setEdits({ ...edits, version: config.version, was: Object.fromEntries(Object.keys(edits.was).map((path) => [path, at(config.settings, path)])) })} />}
          {error && !(refused && fields.has(refused)) && error.status !== 412 && <ErrorNotice error={error} what="new version" />}
          {error?.status === 412 && !conflict && <p class="notice warn">Someone saved just now; what is in force is being read again.</p>}
          <ul class="plain changes" data-testid="settings-changes">
            {changes.map(({ path, read: one }) => (
              <li key={path}>
                <code>{path}</code> {asText(at(config.settings, path))} → <strong>{asText("value" in one ? one.value : null)}</strong>
              </li>
            ))}
          </ul>
          <Field label="Reason" hint="Kept with the version." error={error?.field === "reason" ? error.message : undefined}>
            {(props) => <input {...props} required maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} data-testid="settings-reason" />}
          </Field>
          <Buttons>
            <button type="button" class="quiet" onClick={() => (clear(), forget())}>
              Discard
            </button>
            <button type="submit" class="chief-button" disabled={busy || conflict || changes.length === 0 || count > changes.length || reason.trim() === ""} data-testid="settings-save">
              {busy ? "Saving …" : `Save ${changes.length} ${changes.length === 1 ? "change" : "changes"}`}
            </button>
          </Buttons>
        </div>
      )}
    </form>
  );
}

const matches = (field: FieldOf, sought: string): boolean => {
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${field.path} ${field.label} ${field.help}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

function without(edits: Edits, paths: readonly string[]): Edits {
  const keep = <T,>(all: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(all).filter(([path]) => !paths.includes(path)));
  return { ...edits, texts: keep(edits.texts), was: keep(edits.was) };
}

interface SectionProps {
  section: Section;
  open: boolean;
  inputOf: (field: FieldOf) => preact.JSX.Element;
  version: number;
  mayChange: boolean;
}

function SectionView({ section, open, inputOf, version, mayChange }: SectionProps) {
  return (
    <details class="settings-section" open={open} data-testid="settings-section" data-title={section.title}>
      <summary>
        <h3>{section.title}</h3>
        <span class="soft">{section.fields.length} settings</span>
      </summary>
      <div class="settings-fields">{section.fields.map(inputOf)}</div>
      {section.strategy && mayChange && <RemoveStrategy name={section.strategy} version={version} />}
    </details>
  );
}

interface InputProps {
  field: FieldOf;
  value: string;
  before: unknown;
  fault: string | undefined;
  changed: boolean;
  disabled: boolean;
  edit: (text: string) => void;
}

function Input({ field, value, before, fault, changed, disabled, edit }: InputProps) {
  const bounds = boundsInWords(field.bounds);
  const hint = [field.help, bounds && `${bounds}.`, field.initial !== undefined && !same(field.initial, before) && field.kind !== "json" && `Default: ${asText(field.initial)}.`].filter(Boolean).join(" ");
  const wrap = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (fault?.includes("settings.")) wrap.current?.scrollIntoView({ block: "center" });
  }, [fault]);
  const testid = `setting-${field.path}`;
  return (
    <div ref={wrap} class={changed ? "setting changed" : "setting"}>
      <Field label={capital(field.label)} unit={field.unit && field.kind === "number" ? field.unit : undefined} hint={hint} error={fault}>
        {(props) =>
          field.kind === "switch" ? (
            <select {...props} value={value} disabled={disabled} onChange={(event) => edit(event.currentTarget.value)} data-testid={testid}>
              <option value="true">yes</option>
              <option value="false">no</option>
            </select>
          ) : field.kind === "choice" ? (
            <select {...props} value={value} disabled={disabled} onChange={(event) => edit(event.currentTarget.value)} data-testid={testid}>
              {field.nullable && <option value="">not set</option>}
              {field.choices.map((choice) => (
                <option key={choice} value={choice}>
                  {choice.replaceAll("_", " ")}
                </option>
              ))}
            </select>
          ) : field.kind === "json" || (field.kind === "list" && value.length > 40) ? (
            <textarea {...props} rows={field.kind === "json" && value.length > 4 ? 5 : 2} spellcheck={false} disabled={disabled} value={value} onInput={(event) => edit(event.currentTarget.value)} data-testid={testid} />
          ) : (
            <input {...props} inputMode={field.kind === "number" ? "decimal" : undefined} placeholder={field.nullable ? "not set" : undefined} disabled={disabled} value={value} onInput={(event) => edit(event.currentTarget.value)} data-testid={testid} />
          )
        }
      </Field>
    </div>
  );
}

interface ConflictProps {
  version: number;
  author: string;
  clash: readonly Clash[];
  edits: Edits;
  take: (paths: readonly string[]) => void;
  keep: () => void;
}

/** Someone saved while this was typed: what they changed beside what was typed. */
const Conflict = ({ version, author, clash, edits, take, keep }: ConflictProps) => (
  <div class="notice warn" role="alert" data-testid="settings-conflict">
    <p>
      <strong>
        Version {version} was saved by {author} while you typed.
      </strong>{" "}
      {clash.length === 0 ? "It changed none of what you change." : "It changed the same settings:"}
    </p>
    {clash.length > 0 && (
      <div class="scroll" role="group" aria-label="Yours and theirs" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Was</th>
              <th scope="col">Theirs</th>
              <th scope="col">Yours</th>
              <th scope="col">Take</th>
            </tr>
          </thead>
          <tbody>
            {clash.map(({ path, was, theirs }) => (
              <tr key={path}>
                <td>
                  <code>{path}</code>
                </td>
                <td>{asText(was)}</td>
                <td>{asText(theirs)}</td>
                <td>{edits.texts[path]}</td>
                <td>
                  <button type="button" class="quiet" onClick={() => take([path])} aria-label={`Take theirs for ${path}`}>
                    theirs
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    )}
    <p class="notice-foot">
      <button type="button" class="quiet" onClick={keep} data-testid="conflict-keep">
        Go on with mine, on top of version {version}
      </button>
    </p>
  </div>
);
