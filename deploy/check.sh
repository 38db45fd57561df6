#!/bin/sh
# Holds the files of this folder against the tools that read them, as far as that goes without a machine that boots, a container
# engine or a cluster. docs/operate.md says what it cannot tell. Needs Python 3.11 or newer, npm, systemd-analyze (systemd),
# promtool (prometheus) and Docker Compose; none of them starts anything. Packages go to target/deploy-check and
# deploy/check/node_modules.
set -eu
cd "$(dirname "$0")/.."
folder=target/deploy-check
mkdir -p "$folder"
say() { printf '%s\n' "$*" >&2; }
missing() { say "error: $1 is missing: install $2"; exit 2; }

command -v npm >/dev/null || missing npm nodejs
command -v systemd-analyze >/dev/null || missing systemd-analyze systemd
promtool=${PROMTOOL:-promtool}
command -v "$promtool" >/dev/null || missing promtool "prometheus, or name it in PROMTOOL"
if [ -n "${COMPOSE:-}" ]; then compose=$COMPOSE
elif docker compose version >/dev/null 2>&1; then compose='docker compose'
elif command -v docker-compose >/dev/null; then compose=docker-compose
else missing 'docker compose' "its plugin, or name it in COMPOSE"; fi

# The units, with a program in the place of ours that is there on every machine.
units=$folder/units
rm -rf "$units"
mkdir -p "$units"
for unit in deploy/systemd/*.service; do
    sed 's#^\(Exec[A-Za-z]*=\)/usr/local/bin/phalanx#\1/bin/true#' "$unit" >"$units/$(basename "$unit")"
done
cp deploy/systemd/*.timer "$units/"
for unit in "$units"/*.service "$units"/*.timer; do
    said=$(systemd-analyze verify --man=no "$unit" 2>&1) || { say "$said"; exit 1; }
    # Words about units of this machine are not about ours.
    case $said in *phalanx*) say "$said"; exit 1 ;; esac
    case $unit in *.timer) continue ;; esac
    systemd-analyze security --offline=yes --threshold=20 "$unit" >"$unit.security" || { cat "$unit.security" >&2; exit 1; }
    say "systemd: $(basename "$unit"): $(sed -n 's/^.*Overall exposure level for [^:]*: \([0-9.]* [A-Z]*\).*$/\1/p' "$unit.security")"
done

sh -n deploy/secrets.sh
# Compose reads the secrets' names, not what is in them.
copy=$folder/compose
rm -rf "$copy"
mkdir -p "$copy/deploy"
cp deploy/compose.yaml deploy/secrets.sh "$copy/deploy/"
"$copy/deploy/secrets.sh" 2>/dev/null
# shellcheck disable=SC2086 # It may be two words.
$compose -f "$copy/deploy/compose.yaml" config --quiet
say 'compose: valid'

"$promtool" check rules --lint-fatal deploy/prometheus/alerts.yaml >&2
"$promtool" test rules deploy/prometheus/alerts.test.yaml >&2
"$promtool" check config --syntax-only deploy/prometheus/scrape.yaml >&2

[ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement deploy/check/requirements.txt
"$folder/venv/bin/yamllint" --strict --config-file deploy/.yamllint deploy
npm ci --silent --no-audit --no-fund --prefix deploy/check
PROMTOOL=$promtool PYTHONDONTWRITEBYTECODE=1 "$folder/venv/bin/python" deploy/check/check.py
