<?php

// Another clock: unqualified calls of time() in these namespaces find these functions before PHP's own.
namespace SAML2\Utilities {
    function time(): int
    {
        $file = getenv('SIMPLESAMLPHP_CONFIG_DIR') . '/settings.json';
        return \time() + intdiv(json_decode(file_get_contents($file), true)['clockOffset'], 1000);
    }
}

namespace SimpleSAML\Module\saml\IdP {
    function time(): int
    {
        return \SAML2\Utilities\time();
    }
}

namespace {
    // The warnings of an older program on a newer PHP belong into the log, not into its pages.
    error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING);
}
