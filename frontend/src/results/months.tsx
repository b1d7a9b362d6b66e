// Returns by month and year in one table.
import { NONE } from "../format/money";
import { gained, tone } from "./numbers";

const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function MonthsTable({ months, years }: { months: Readonly<Record<string, Readonly<Record<string, number>>>>; years: Readonly<Record<string, number>> }) {
  const listed = Object.keys(years).sort().reverse();
  return (
    <div class="scroll" role="group" aria-label="Returns by month" tabIndex={0}>
      <table class="months" data-testid="months-table">
        <caption class="unseen">Return by month and by year, per cent</caption>
        <thead>
          <tr>
            <th scope="col">Year</th>
            {NAMES.map((name) => (
              <th key={name} scope="col" class="amount">
                {name}
              </th>
            ))}
            <th scope="col" class="amount">
              Whole year
            </th>
          </tr>
        </thead>
        <tbody>
          {listed.map((year) => (
            <tr key={year}>
              <th scope="row">{year}</th>
              {NAMES.map((name, month) => {
                const value = months[year]?.[String(month + 1)];
                return (
                  <td key={name} class={`amount ${tone(value)}`}>
                    {value === undefined ? NONE : gained(value, 1)}
                  </td>
                );
              })}
              <td class={`amount ${tone(years[year])}`}>
                <strong>{gained(years[year], 1)}</strong>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
