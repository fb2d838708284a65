from sqlalchemy import LargeBinary

from storage.account_tables import LoginRow, RecoveryCodeRow, TokenRow, TOTPRow


def test_what_lets_somebody_in_is_kept_as_a_digest_or_sealed():
    secret = {LoginRow: "digest", TokenRow: "digest", RecoveryCodeRow: "mac", TOTPRow: "sealed"}
    for row, column in secret.items():
        assert isinstance(row.__table__.c[column].type, LargeBinary)
        assert not {"token", "cookie", "code", "key", "password"} & set(row.__table__.c.keys())
