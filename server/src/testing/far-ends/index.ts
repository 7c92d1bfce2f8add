/**
 * Far ends of channels, on this machine: they catch what is sent, as a person and as whoever reads along would see it, and refuse
 * what a real one would refuse.
 */
export { type Caught, type Manner, openCaught } from "./caught.ts"
export { decryptPush } from "./decrypt.ts"
export { openPostServer, type PostServer } from "./http.ts"
export { type CaughtPush, openPushService, type PushService } from "./push.ts"
export { type CaughtText, openSmsGateway, type SmsGateway } from "./sms.ts"
