<?php

$settings = json_decode(file_get_contents(dirname(__DIR__) . '/settings.json'), true);
foreach ($settings['serviceProviders'] as $provider) {
    $keys = [];
    foreach ($provider['certificates'] as $certificate) {
        $keys[] = ['type' => 'X509Certificate', 'signing' => true, 'encryption' => true, 'X509Certificate' => $certificate];
    }
    $metadata[$provider['entityId']] = [
        'AssertionConsumerService' => [[
            'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
            'Location' => $provider['acs'],
            'index' => 0,
        ]],
        'SingleLogoutService' => [[
            'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
            'Location' => $provider['slo'],
        ]],
        'keys' => $keys,
        'simplesaml.nameidattribute' => 'subject',
    ];
}
