// What leaves the house: any table as a file, made as a job and fetched by its link, and the report as one page.
import { useEffect, useState } from "preact/hooks";
import type { BeginExport, Export, ExportAccepted } from "../api/bodies";
import { session } from "../desk";
import { plain } from "../parts/figures";
import { Buttons } from "../parts/form";
import { ErrorNotice, Panel } from "../parts/panel";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import { saveFile } from "./file";
import { TIMES, queryOf, type Part } from "./query";

const PATH = "/api/analytics/exports";
const KINDS: readonly BeginExport["kind"][] = ["trades", "fills", "orders", "equity", "tax_lots"];
const FORMATS: readonly NonNullable<BeginExport["format"]>[] = ["csv", "parquet"];
const ASK_EVERY_MS = 1_000;

export function Files({ part }: { part: Part }) {
  const [kind, setKind] = useState(KINDS[0]!);
  const [format, setFormat] = useState(FORMATS[0]!);
  const [id, setId] = useState<string | null>(null);
  const { busy, error, run } = useSend();

  async function begin(): Promise<void> {
    const days = { ...(part.from && { from: part.from }), ...(part.to && { to: part.to }) };
    const accepted = await run(() => send<ExportAccepted>("POST", PATH, { kind, format, ...days } satisfies BeginExport));
    if (accepted) setId(accepted.id);
  }

  async function report(): Promise<void> {
    const found = await run(() => session.request("GET", `/api/analytics/report${queryOf(part, TIMES)}`));
    if (found) saveFile("report.html", "text/html", found.text);
  }

  return (
    <Panel title="Files and report" testid="files" aside="of the days chosen above">
      <div class="filters plain-filters">
        <Among label="What" value={kind} options={KINDS} set={setKind} testid="export-kind" />
        <Among label="As" value={format} options={FORMATS} set={setFormat} testid="export-format" />
      </div>
      <Buttons>
        <button type="button" class="quiet" disabled={busy} onClick={report} data-testid="report-save">
          Save the report
        </button>
        <button type="button" class="quiet" disabled={busy} onClick={begin} data-testid="export-begin">
          Make the file
        </button>
      </Buttons>
      {error && <ErrorNotice error={error} what="file" />}
      {id && <Job key={id} id={id} />}
    </Panel>
  );
}

function Among<T extends string>({ label, value, options, set, testid }: { label: string; value: T; options: readonly T[]; set: (value: T) => void; testid: string }) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => set(event.currentTarget.value as T)} data-testid={testid}>
        {options.map((option) => (
          <option key={option} value={option}>
            {plain(option)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Follows one export until it is done, and fetches its file once by going to its address. */
function Job({ id }: { id: string }) {
  const [ended, end] = useState<Export | null>(null);
  const { data, error } = useRead<Export>(ended ? null : `${PATH}/${encodeURIComponent(id)}`, ASK_EVERY_MS);
  useEffect(() => {
    if (!data || (data.status !== "done" && data.status !== "failed")) return;
    end(data);
    // An attachment of another host: the browser saves it and the page stays.
    if (data.url) location.assign(data.url);
  }, [data]);
  if (error && !ended) return <ErrorNotice error={error} what="file" />;
  if (!ended) return <p role="status">The file is being made …</p>;
  return ended.status === "done" ? (
    <p role="status" data-testid="export-done">
      {ended.filename}: {ended.rows.toLocaleString("en-US")} rows, {ended.size_bytes.toLocaleString("en-US")} bytes. {ended.url && <a href={ended.url}>Fetch it again</a>} within five minutes.
    </p>
  ) : (
    <p class="notice bad" role="alert">
      The file was not made: {ended.message}
    </p>
  );
}
