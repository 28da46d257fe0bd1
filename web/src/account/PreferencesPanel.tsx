// PreferencesPanel.tsx - how the dashboard should be, on every device of this person.

import { useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../app/api";
import { useConfig, useSession } from "../app/session";
import { usePreferences, type Preferences } from "../feed/usePreferences";
import { Checkbox } from "../ui/Field";
import { PanelWaiting } from "../ui/Panel";

export function PreferencesPanel() {
  const { standing } = useSession();
  const [chosen, change] = usePreferences();
  const [blocked, setBlocked] = useState(false);
  if (chosen === undefined) return <PanelWaiting />;

  // The browser asks only when a person has just asked for it.
  async function notify(wanted: boolean) {
    const allowed = !wanted || (await mayNotify());
    setBlocked(!allowed);
    change({ notify: wanted && allowed });
  }

  return (
    <div className="form">
      <Checkbox
        label="Hide deleted signals"
        hint="Otherwise a line stays in their place; their text is gone either way."
        checked={chosen.hideDeleted}
        onChange={(hideDeleted) => change({ hideDeleted })}
      />
      <Checkbox
        label="Play a sound with a new signal"
        checked={chosen.sound}
        onChange={(sound) => change({ sound })}
      />
      <Checkbox
        label="Show a notification with a new signal"
        hint="While this page is open in some tab, and the browser allows it."
        checked={chosen.notify}
        onChange={(wanted) => void notify(wanted)}
      />
      {blocked && (
        <p className="problem" role="alert">
          This browser does not let the page show notifications. Allow them in
          the browser’s settings for this page, then try again.
        </p>
      )}
      {standing?.live && <Muted chosen={chosen} change={change} />}
    </div>
  );
}

async function mayNotify(): Promise<boolean> {
  if (!("Notification" in window)) return false;
  return (await Notification.requestPermission()) === "granted";
}

function Muted(props: {
  chosen: Preferences;
  change: (wanted: Partial<Preferences>) => void;
}) {
  const { community } = useConfig();
  const channels = useQuery(api.feed.channels, { community });
  const { mutedChannels } = props.chosen;
  if (channels === undefined || channels.length === 0) return null;
  return (
    <fieldset className="muted-channels">
      <legend>No sound and no notification from</legend>
      {channels.map(({ id, name }) => (
        <Checkbox
          key={id}
          label={<span dir="auto">{name}</span>}
          checked={mutedChannels.includes(id)}
          onChange={(muted) =>
            props.change({
              mutedChannels: muted
                ? [...mutedChannels, id]
                : mutedChannels.filter((one) => one !== id),
            })
          }
        />
      ))}
    </fieldset>
  );
}
