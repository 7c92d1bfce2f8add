/**
 * Channels: ways to tell somebody that something waits for them. Each carries one of our own sentences and a link, and brings
 * nothing back: no channel decides, names an agent, an amount or a person, or holds a link that is worth something to whoever
 * reads it. What has to be told, when and by which of them is for notices/ to see to; whose contacts there are, for people/.
 */

export {
  type Channel,
  type ChannelName,
  type Contact,
  channelNames,
  type Delivery,
  type Message,
  type PushSubscription,
} from "./channel.ts"
export { isAddress } from "./email.ts"
export { type Channels, channelOf, openChannels } from "./open.ts"
export { type ChannelsPart, channelsSchema } from "./part.ts"
export { subscriptionProblem } from "./push.ts"
export { channelRoutes } from "./routes.ts"
export { resealChannelSecrets } from "./secrets.ts"
export { isNumber } from "./sms.ts"
export { type Locale, localeOf, locales, wordsFor, wordsForCode } from "./words.ts"
