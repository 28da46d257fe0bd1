// mentions.ts - whom a message rings. Pure.
import type { AllowedMentions } from "./message-input.js";
import type { Author, Channel, Message, Pings } from "./model.js";
import { channelPermissions, Permission } from "./permissions.js";
import type { World } from "./world.js";

const USER = /<@!?(\d{17,20})>/g;
const ROLE = /<@&(\d{17,20})>/g;
const EVERYONE = /@(everyone|here)\b/;

function ids(content: string, pattern: RegExp): string[] {
  return [...new Set([...content.matchAll(pattern)].map((m) => m[1]!))];
}

/** Mentions do not work inside code, so it is taken out first. */
function withoutCode(content: string): string {
  return content.replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
}

const USERS_ONLY: AllowedMentions = {
  parse: ["users"],
  users: [],
  roles: [],
  replied_user: false,
};

/**
 * `said` null or undefined means the author said nothing: everything that the text
 * names and its author may ring, rings; of a webhook only users. A webhook may ring
 * all. `target` is what it replies to.
 */
export function pingsOf(
  world: World,
  channel: Channel,
  author: Author,
  content: string,
  said: AllowedMentions | null | undefined,
  target: Message | undefined,
): Pings {
  const spoken = withoutCode(content);
  const allowed = said ?? (author.webhook && USERS_ONLY);
  const may = (category: "users" | "roles", id: string) =>
    !allowed ||
    allowed.parse.includes(category) ||
    allowed[category].includes(id);
  const permissions = channelPermissions(world, channel, author.id);
  const mayRingAll =
    author.webhook !== undefined ||
    (permissions & Permission.MENTION_EVERYONE) !== 0n;
  const rolesNamed = ids(spoken, ROLE).filter((id) => {
    const role = world.roles.get(id);
    return (
      role?.guild_id === channel.guild_id && (role.mentionable || mayRingAll)
    );
  });
  const replied =
    target !== undefined && (allowed ? allowed.replied_user : true);
  const users = ids(spoken, USER).filter(
    (id) => world.users.get(id) && may("users", id),
  );
  if (replied && !users.includes(target.author_id))
    users.push(target.author_id);
  return {
    everyone:
      EVERYONE.test(spoken) &&
      mayRingAll &&
      (!allowed || allowed.parse.includes("everyone")),
    users,
    roles: rolesNamed.filter((id) => may("roles", id)),
    replied_user: replied,
  };
}
