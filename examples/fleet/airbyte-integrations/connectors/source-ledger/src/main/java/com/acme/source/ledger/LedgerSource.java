package com.acme.source.ledger;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;

/** A source that tells its spec; the ledger's reader is not part of this example. */
public final class LedgerSource {

  private LedgerSource() {}

  public static void main(final String[] args) throws IOException {
    if (args.length != 1 || !args[0].equals("spec")) {
      throw new IllegalArgumentException("Only spec is answered.");
    }
    try (InputStream spec = LedgerSource.class.getResourceAsStream("/spec.json")) {
      Objects.requireNonNull(spec).transferTo(System.out);
    }
  }
}
