<?php

// SimpleSAMLphp as the tests run it; what changes is in settings.json, which every request reads anew.
$settings = json_decode(file_get_contents(__DIR__ . '/settings.json'), true);
$config = [
    'baseurlpath' => $settings['url'] . '/',
    'certdir' => __DIR__ . '/cert/',
    'loggingdir' => __DIR__ . '/log/',
    'datadir' => __DIR__ . '/data/',
    'tempdir' => __DIR__ . '/tmp',
    'metadatadir' => __DIR__ . '/metadata',
    'attributenamemapdir' => '/usr/share/simplesamlphp/config/attributemap/',
    'secretsalt' => 'a salt that is only for tests',
    'auth.adminpassword' => 'no administrator signs in here',
    'timezone' => 'UTC',
    'showerrors' => true,
    'logging.level' => SimpleSAML\Logger::INFO,
    'logging.handler' => 'file',
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'session.phpsession.savepath' => __DIR__ . '/sessions',
    'language.default' => 'en',
    'language.available' => ['en'],
    'language.cookie.secure' => false,
    'trusted.url.domains' => null,
    'production' => false,
    'store.type' => 'phpsession',
    'metadata.sources' => [['type' => 'flatfile']],
];
