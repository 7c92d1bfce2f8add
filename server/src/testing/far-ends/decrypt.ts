import { createDecipheriv, createECDH, hkdfSync } from "node:crypto"

/** A browser's half of a push subscription: its key pair and the secret that it shares with us. */
export type Receiver = { privateKey: Buffer; publicKey: Buffer; auth: Buffer }

/** What a browser reads of a push message (RFC 8291 §3, RFC 8188 §2), written from the documents and not from the library that we send with. */
export function decryptPush({ privateKey, publicKey, auth }: Receiver, body: Buffer): string {
  const salt = body.subarray(0, 16)
  const recordSize = body.readUInt32BE(16)
  const keyId = body.subarray(21, 21 + body[20]!)
  const sealed = body.subarray(21 + body[20]!)
  if (sealed.length > recordSize) throw new Error("more than one record")
  const ecdh = createECDH("prime256v1")
  ecdh.setPrivateKey(privateKey)
  const shared = ecdh.computeSecret(keyId)
  const hkdf = (key: Buffer, with_: Buffer, text: Buffer, length: number) =>
    Buffer.from(hkdfSync("sha256", key, with_, text, length))
  const input = hkdf(shared, auth, Buffer.concat([Buffer.from("WebPush: info\0"), publicKey, keyId]), 32)
  const key = hkdf(input, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16)
  const nonce = hkdf(input, salt, Buffer.from("Content-Encoding: nonce\0"), 12)
  const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 })
  decipher.setAuthTag(sealed.subarray(-16))
  const padded = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
  // Padding ends with the delimiter of the last record.
  const end = padded.lastIndexOf(2)
  return padded.subarray(0, end).toString("utf8")
}
