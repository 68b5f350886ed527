#!/bin/sh
# layer FOLDER COMMAND...: run the command, then copy what it wrote below /opt/nautes to FOLDER/opt/nautes.
# The time of the last change of the inode tells what is new; unlike the time of the content, nobody sets it.
set -eu
folder=$1
shift
mkdir -p "$folder"
touch /tmp/before
sleep 0.05
"$@"
cd /
find opt/nautes \( -type f -o -type l \) -cnewer /tmp/before -print0 | tar --create --null --files-from=- | tar --extract --directory "$folder"
rm /tmp/before
