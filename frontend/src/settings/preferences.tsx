// What the one who is signed in prefers of the dashboard.
import type { TargetedSubmitEvent } from "preact";
import type { UserPreferences } from "../api/bodies";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { toast } from "../parts/toast";
import { PAGES } from "../router";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import { THEMES, pageOf, wearPreferences } from "../theme";
import { Choice } from "./strategies";

const PATH = "/api/config/preferences";

type Wanted = Omit<UserPreferences, "version" | "changed_at">;

export function Preferences() {
  const view = useRead<UserPreferences>(PATH);
  return (
    <Panel title="Your preferences" testid="preferences" view={view}>
      <Loaded view={view} what="preferences">
        {(now) => <Form now={now} />}
      </Loaded>
    </Panel>
  );
}

const ZONES: readonly string[] = Intl.supportedValuesOf("timeZone");

function Form({ now }: { now: UserPreferences }) {
  const { version, changed_at: _, ...before } = now;
  const [draft, setDraft, clear] = useDraft<Wanted | null>("preferences", null);
  const [text, setText, clearText] = useDraft<string | null>("preferences-symbols", null);
  const { busy, error, run } = useSend();
  const wanted = draft ?? before;

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const symbols = text === null ? wanted.symbols : text.toUpperCase().split(/[\s,;]+/).filter(Boolean);
    const saved = await run(() => send<UserPreferences>("PUT", PATH, { ...wanted, symbols }, { ifMatch: `"${version}"`, touches: [PATH] }));
    if (!saved) return;
    clear();
    clearText();
    await wearPreferences();
    toast("good", "Your preferences are kept");
  }

  const set = (changes: Partial<Wanted>) => setDraft({ ...wanted, ...changes });
  return (
    <form class="form" onSubmit={submit} noValidate autocomplete="off">
      <div class="pair">
        <Choice label="Theme" value={wanted.theme} options={THEMES} set={(theme) => set({ theme: theme as Wanted["theme"] })} testid="preference-theme" />
        <Choice label="First page" value={wanted.first_page} options={PAGES.map(({ path }) => pageOf(path))} set={(first_page) => set({ first_page })} testid="preference-page" />
      </div>
      <Field label="Time zone" hint="Times are shown in it; the market's stand in each tooltip." error={error?.message.includes("time_zone") ? error.message : undefined}>
        {(props) => (
          <>
            <input {...props} list="time-zones" value={wanted.time_zone} onInput={(event) => set({ time_zone: event.currentTarget.value })} data-testid="preference-zone" />
            <datalist id="time-zones">
              {ZONES.map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <Field label="Symbols shown first" hint="Lists of watched symbols begin with them, and the chart with the first.">{(props) => <input {...props} value={text ?? wanted.symbols.join(" ")} onInput={(event) => setText(event.currentTarget.value)} data-testid="preference-symbols" />}</Field>
      {error && <ErrorNotice error={error} what="preferences" />}
      <Buttons>
        <button type="submit" class="chief-button" disabled={busy || (draft === null && text === null)} data-testid="preferences-save">
          Save
        </button>
      </Buttons>
    </form>
  );
}
