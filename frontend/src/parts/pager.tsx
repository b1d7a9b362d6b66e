// Steps through the pages of a list that the API gives by cursor.

export const Pager = ({ newer, older }: { newer: (() => void) | null; older: (() => void) | null }) =>
  newer || older ? (
    <div class="pager">
      <button type="button" class="quiet" disabled={!newer} onClick={() => newer?.()}>
        Newer
      </button>
      <button type="button" class="quiet" disabled={!older} onClick={() => older?.()}>
        Older
      </button>
    </div>
  ) : null;
