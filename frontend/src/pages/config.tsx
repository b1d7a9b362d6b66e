// `/config`: the settings and their versions, watchlists, notifications, the user's own preferences.
import { DeliveryLog, Notifications } from "../settings/notifications";
import { Environment } from "../settings/environment";
import { Preferences } from "../settings/preferences";
import { SettingsForm } from "../settings/form";
import { Versions } from "../settings/versions";
import { Watchlists } from "../settings/watchlists";

export const Config = () => (
  <>
    <div class="columns config-columns">
      <div class="column">
        <SettingsForm />
        <Environment />
      </div>
      <div class="column">
        <Watchlists />
        <Preferences />
      </div>
    </div>
    <Versions />
    <Notifications />
    <DeliveryLog />
  </>
);
