# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""A mosquitto with users, an access list and TLS, and certificates, good and bad, made on the way.

`openssl` makes them; nothing here leaves the folder of the test.
"""

from pathlib import Path
import shutil
import socket
import subprocess

PASSWORD = 'correct horse battery'


def openssl(*words: object) -> None:
    subprocess.run([shutil.which('openssl'), *map(str, words)], check=True, capture_output=True)


class Authority:
    """One that signs certificates, which are kept with their keys in its folder."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder / name
        self.folder.mkdir()
        self.certificate, self._key = self.folder / 'ca.pem', self.folder / 'ca.key'
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                '-nodes', '-keyout', self._key, '-out', self.certificate, '-days', 2, '-subj',
                f'/CN={name}')

    def sign(self, name: str, host: str = 'IP:127.0.0.1', days: tuple[str, str] = ()
             ) -> tuple[Path, Path]:
        """Return certificate and key for `host`; `days` are first and last, YYYYMMDD."""
        key, certificate = self.folder / f'{name}.key', self.folder / f'{name}.pem'
        asked, extra = self.folder / f'{name}.csr', self.folder / f'{name}.ext'
        extra.write_text(f'subjectAltName={host}\n')
        openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                '-keyout', key, '-out', asked, '-subj', f'/CN={name}')
        if not days:
            openssl('x509', '-req', '-in', asked, '-CA', self.certificate, '-CAkey', self._key,
                    '-CAcreateserial', '-days', 2, '-extfile', extra, '-out', certificate)
            return certificate, key
        (self.folder / 'index').write_text('')
        (self.folder / 'serial').write_text('1000\n')
        settings = self.folder / 'ca.conf'
        settings.write_text(
            f'[ca]\ndefault_ca=own\n[own]\ndatabase={self.folder}/index\nserial={self.folder}/'
            f'serial\nnew_certs_dir={self.folder}\ndefault_md=sha256\npolicy=any\n'
            f'[any]\ncommonName=supplied\n')
        openssl('ca', '-batch', '-config', settings, '-in', asked, '-cert', self.certificate,
                '-keyfile', self._key, '-extfile', extra, '-startdate', f'{days[0]}000000Z',
                '-enddate', f'{days[1]}000000Z', '-out', certificate, '-notext')
        return certificate, key


class SecuredBroker:
    """A mosquitto that knows the users `driver`, `arm` and `guest`; the guest may do nothing.

    One port without TLS; others, with certificates of their own, come by `listen`.
    """

    def __init__(self, folder: Path, wait_for):
        self._folder, self._wait_for = folder, wait_for
        self._users, rights = folder / 'users', folder / 'rights'
        self._users.touch()
        for name in ('driver', 'arm', 'guest'):
            subprocess.run([shutil.which('mosquitto_passwd'), '-b', str(self._users), name,
                            PASSWORD], check=True, capture_output=True)
        rights.write_text(''.join(
            f'user {name}\ntopic readwrite metainfo\ntopic readwrite EDScorbot/#\n'
            for name in ('driver', 'arm')))
        self._text = (f'per_listener_settings false\nallow_anonymous false\n'
                      f'password_file {self._users}\nacl_file {rights}\n')
        if hasattr(Path, 'owner'):
            self._text += f'user {folder.owner()}\n'
        self.ports: list[int] = []
        self.port = self.listen('')

    def listen(self, settings: str) -> int:
        """Add a listener, and return its port."""
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.ports.append(probe.getsockname()[1])
        self._text += f'listener {self.ports[-1]} 127.0.0.1\n{settings}'
        return self.ports[-1]

    def tls(self, certificate: Path, key: Path, *more: str) -> int:
        """Add a listener with TLS, and return its port."""
        return self.listen(''.join(f'{line}\n' for line in (
            f'certfile {certificate}', f'keyfile {key}', *more)))

    def start(self) -> None:
        settings = self._folder / 'secured.conf'
        settings.write_text(self._text)
        program = shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')
        with (self._folder / 'secured.log').open('wb') as log:
            self._popen = subprocess.Popen([program, '-c', str(settings), '-v'], stdout=log,
                                           stderr=log)
        for port in self.ports:
            self._wait_for(lambda port=port: self._answers(port), 'mosquitto')

    def _answers(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', port)) == 0

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()
