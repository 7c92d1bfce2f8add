/** The README's example, compiled. */
import { openProvider } from "@safeconduct/provider"

await using provider = await openProvider({
  clients: [
    {
      clientId: "shop-web",
      redirectUris: ["http://127.0.0.1:8080/callback"],
      authentication: { method: "client_secret_post", secret: "of this laptop only, and long enough" },
    },
  ],
})
console.log(`${provider.issuer}/.well-known/openid-configuration`)
