#!/bin/sh
# Sign-in, consent, exchange and sign-out with providers that nobody here wrote, and an approval by Keycloak's CIBA: Keycloak from Maven Central (Java 17 or newer and mvn,
# or KEYCLOAK_HOME), and LemonLDAP::NG from Debian's packages:
#   apt-get install liblemonldap-ng-portal-perl starman libgd-securityimage-perl libgd-perl libimage-magick-perl libstring-random-perl
# One line per step; exit 0 if all pass. Name one to run that alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH="$here/../../node_modules/.bin:$PATH"
version=26.4.0
if [ -z "${KEYCLOAK_HOME:-}" ] && [ "${1:-keycloak}" = keycloak ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mvn -q -B dependency:copy "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" "-DoutputDirectory=$folder"
  unzip -q "$folder/keycloak-quarkus-dist-$version.zip" -d "$folder"
  KEYCLOAK_HOME="$folder/keycloak-$version"
  export KEYCLOAK_HOME
fi
status=0
for each in ${1:-keycloak lemonldap}; do
  echo "## $each"
  node --conditions=source "$here/play.ts" "$each" || status=1
  [ "$each" = lemonldap ] || node --conditions=source "$here/ciba.ts" || status=1
done
exit $status
